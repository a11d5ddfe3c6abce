// The derivative of a control step: a vector-Jacobian product, backwards over its physics steps, whose code is printed
// from the model (src/physics/adjoint.ts), one environment a thread. Whole, it is one kernel with a loop; in pieces,
// which some compilers want, the host goes through the steps and the pieces, which hand on values in `spill`.
//
// trajectory [rows, substeps, NS] and controls, as physics_step.wgsl recorded and read them
// adjoint    [NX, environments]: of qpos and qvel, replaced by those of the state before the control step
// adjoint_controls [rows, NC, environments]: of ctrl and wrenches, the sum over the physics steps

struct Shape { environments: u32, first: u32, count: u32, substeps: u32, trajectory_row: u32, control_row: u32, step: u32, stride: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> trajectory: array<f32>;
@group(0) @binding(2) var<storage, read> controls: array<f32>;
@group(0) @binding(3) var<storage, read> timesteps: array<f32>;
@group(0) @binding(4) var<storage, read_write> adjoint: array<f32>;
@group(0) @binding(5) var<storage, read_write> adjoint_controls: array<f32>;
@group(0) @binding(6) var<storage, read_write> spill: array<vec4f>;

#include trigonometry

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= shape.count) { return; }
  let N = shape.environments;
  let e = shape.first + id.x;
  let timestep = timesteps[e];
#if ${CONTROLS}
  var u: array<f32, ${NC}>;
  for (var k = 0u; k < ${NC}u; k++) { u[k] = controls[(shape.control_row * ${NC}u + k) * N + e]; }
#endif
#if ${ADJOINT}
  var y: array<f32, ${NX}>;
  for (var k = 0u; k < ${NX}u; k++) { y[k] = adjoint[k * N + e]; }
#endif
#if ${LAST}
  var w: array<f32, ${NC}>;
#endif
#if ${WHOLE}
  var sum: array<f32, ${NC}>;
  for (var k = 0u; k < ${NC}u; k++) { sum[k] = 0.0; }
  for (var back = 0u; back < shape.substeps; back++) {
    let s = shape.substeps - 1u - back;
#else
  {
    let s = shape.step;
#endif
#if ${STATE}
    var x: array<f32, ${NS}>;
    let row = (shape.trajectory_row * shape.substeps + s) * ${NS}u;
    for (var k = 0u; k < ${NS}u; k++) { x[k] = trajectory[(row + k) * N + e]; }
#endif
    {
${PROGRAM}
    }
#if ${WHOLE}
    for (var k = 0u; k < ${NC}u; k++) { sum[k] += w[k]; }
#endif
  }
#if ${LAST}
  for (var k = 0u; k < ${NX}u; k++) { adjoint[k * N + e] = y[k]; }
  let to = shape.control_row * ${NC}u;
#if ${WHOLE}
  for (var k = 0u; k < ${NC}u; k++) { adjoint_controls[(to + k) * N + e] = sum[k]; }
#else
  let first = shape.step + 1u == shape.substeps;
  for (var k = 0u; k < ${NC}u; k++) {
    let at = (to + k) * N + e;
    adjoint_controls[at] = w[k] + select(adjoint_controls[at], 0.0, first);
  }
#endif
#endif
}
