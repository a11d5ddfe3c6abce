// One control step of a body: physics steps whose code is printed from the model (src/physics/step.ts), one environment
// a thread. Everything is [entries, environments], so that neighbours read neighbours.
//
// states     [rows, NS]: qpos, qvel, qacc, where the solver starts from; a row is read, another one (or the same) written
// controls   [rows, NC]: ctrl, then the wrenches of the bodies that forces act on
// timesteps  s
// report     [3]: lowest clearance of what may not touch (m), most Newton steps, physics steps that did not converge
// trajectory [rows, substeps, NS]: states before each physics step with the qacc that it found, if asked for

struct Shape { environments: u32, first: u32, count: u32, substeps: u32, from_row: u32, to_row: u32, control_row: u32, record: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read_write> states: array<f32>;
@group(0) @binding(2) var<storage, read> controls: array<f32>;
@group(0) @binding(3) var<storage, read> timesteps: array<f32>;
@group(0) @binding(4) var<storage, read_write> report: array<f32>;
@group(0) @binding(5) var<storage, read_write> trajectory: array<f32>;

#include trigonometry

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= shape.count) { return; }
  let N = shape.environments;
  let e = shape.first + id.x;
  let timestep = timesteps[e];
  // through loops over private arrays: a load or store written out costs a compiler 50 ms
  var x: array<f32, ${NS}>;
  for (var k = 0u; k < ${NS}u; k++) { x[k] = states[(shape.from_row * ${NS}u + k) * N + e]; }
  var u: array<f32, ${NC}>;
  for (var k = 0u; k < ${NC}u; k++) { u[k] = controls[(shape.control_row * ${NC}u + k) * N + e]; }
  var outcome: array<f32, 2>;
  var clearance = 1e30;
  var most = 0.0;
  var unconverged = 0.0;
  for (var s = 0u; s < shape.substeps; s++) {
    let row = ((shape.record - 1u) * shape.substeps + s) * ${NS}u;
    if (shape.record > 0u) { for (var k = 0u; k < ${QACC}u; k++) { trajectory[(row + k) * N + e] = x[k]; } }
    {
${PROGRAM}
    }
    if (shape.record > 0u) { for (var k = ${QACC}u; k < ${NS}u; k++) { trajectory[(row + k) * N + e] = x[k]; } }
    clearance = min(clearance, outcome[0]);
    most = max(most, abs(outcome[1]));
    unconverged += select(0.0, 1.0, outcome[1] < 0.0);
  }
  for (var k = 0u; k < ${NS}u; k++) { states[(shape.to_row * ${NS}u + k) * N + e] = x[k]; }
  report[e] = clearance;
  report[N + e] = most;
  report[2u * N + e] = unconverged;
}
