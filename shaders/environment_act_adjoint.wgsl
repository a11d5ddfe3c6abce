// Backwards through environment_act.wgsl: cotangents of a row of actions [environments, NU] from those of the controls that
// they made [rows, NC, environments].

struct Shape { environments: u32, first: u32, count: u32, control_row: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> control_adjoints: array<f32>;
@group(0) @binding(2) var<storage, read_write> cotangents: array<f32>;

const UNIT = array<f32, ${NU}>(${UNIT});

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= shape.count) { return; }
  let e = shape.first + id.x;
  var unit = UNIT;
  for (var k = 0u; k < ${NU}u; k++) {
    cotangents[e * ${NU}u + k] = unit[k] * control_adjoints[(shape.control_row * ${NC}u + k) * shape.environments + e];
  }
}
