// Backwards through an observation and the end of the control step before it: adds the vector-Jacobian product of the
// observation at a row of a window to the adjoint of the state there, then takes it back to the state as physics left it:
// nothing where a new episode began, and the motion of a cycle undone where a loop closed. An adjoint longer than `most`
// (velocities count five times) is shortened to that. With gamma below 1 what comes later counts less, by that factor a
// control step. `touch` is the cotangent of what it costs to come near a touch that ends the episode.
//
// cotangents [rows, environments, OBSERVED] of the observations; adjoint [NX, environments]; marks, ends as in
// environment_observe.wgsl and environment_judge.wgsl

struct Shape { environments: u32, first: u32, count: u32, row: u32, begin: u32, most: f32, gamma: f32, touch: f32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> states: array<f32>;
@group(0) @binding(2) var<storage, read> marks: array<u32>;
@group(0) @binding(3) var<storage, read> clips: array<Clip>;
@group(0) @binding(4) var<storage, read> table: array<f32>;
@group(0) @binding(5) var<storage, read> ends: array<u32>;
@group(0) @binding(6) var<storage, read> cotangents: array<f32>;
@group(0) @binding(7) var<storage, read_write> adjoint: array<f32>;

#include environment

#include trigonometry

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= shape.count) { return; }
  let N = shape.environments;
  let e = shape.first + id.x;
  // an episode that ended here has nothing to do with the state that follows
  let over = shape.row > 0u && ends[(max(shape.row, 1u) - 1u) * N + e] != 0u;
  if (over) {
    for (var k = 0u; k < ${NX}u; k++) { adjoint[k * N + e] = 0.0; }
    return;
  }
  let at = marks[2u * shape.row * N + e];
  let clip = clips[marks[(2u * shape.row + 1u) * N + e]];
  var x: array<f32, ${NX}>;
  for (var k = 0u; k < ${NX}u; k++) { x[k] = states[(shape.row * ${NS}u + k) * N + e]; }
  var row: array<f32, ${ROW}>;
  for (var k = 0u; k < ${ROW}u; k++) { row[k] = table[at * ${ROW}u + k]; }
  var g: array<f32, ${ERRORS}>;
  for (var k = 0u; k < ${ERRORS}u; k++) { g[k] = cotangents[(shape.row * N + e) * ${OBSERVED}u + k]; }
  // of what it costs to come near a touch
  var touch: array<f32, 1>;
  touch[0] = shape.touch;
  var y: array<f32, ${NX}>;
  {
${PROGRAM}
  }
  // at a window's end there is nothing yet to add to
  if (shape.begin == 0u) { for (var k = 0u; k < ${NX}u; k++) { y[k] = fma(shape.gamma, adjoint[k * N + e], y[k]); } }
  if (shape.row > 0u && clip.loops == 1u && at == clip.first_row) {
    let c = clip.back_cos;
    let s = clip.back_sin;
    let half = normalize(select(vec2f(1.0 + c, s), vec2f(0.0, 1.0), c < -0.999999));
    let place = vec2f(c * y[0] + s * y[1], c * y[1] - s * y[0]);
    let velocity = vec2f(c * y[${NQ}] + s * y[${NQ} + 1], c * y[${NQ} + 1] - s * y[${NQ}]);
    let q = vec4f(y[3], y[4], y[5], y[6]);
    y[0] = place.x; y[1] = place.y;
    y[3] = half.x * q.x + half.y * q.w;
    y[4] = half.x * q.y + half.y * q.z;
    y[5] = half.x * q.z - half.y * q.y;
    y[6] = half.x * q.w - half.y * q.x;
    y[${NQ}] = velocity.x; y[${NQ} + 1] = velocity.y;
  }
  // an adjoint that has grown beyond all measure tells nothing of where to go
  var squared = 0.0;
  for (var k = 0u; k < ${NX}u; k++) { let s = select(y[k], 5.0 * y[k], k >= ${NQ}u); squared = fma(s, s, squared); }
  let finite = squared < 1e30;
  let scale = min(1.0, shape.most * inverseSqrt(max(squared, 1e-30)));
  for (var k = 0u; k < ${NX}u; k++) { if (finite) { y[k] *= scale; } else { y[k] = 0.0; } }
  for (var k = 0u; k < ${NX}u; k++) { adjoint[k * N + e] = y[k]; }
}
