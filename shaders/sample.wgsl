// Actions of a Gaussian policy: actions[at, row, k] = mean[at, row, k] + exp(s[k]) noise. The noise is a function of the seed,
// the control step, the environment and k alone, so it does not depend on how environments are shared out.

struct Shape { rows: u32, columns: u32, log_std_at: u32, first: u32, seed: u32, at: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> clock: array<u32>;  // [at]: control steps taken in all
@group(0) @binding(2) var<storage, read> parameters: array<f32>;
@group(0) @binding(3) var<storage, read> mean: array<f32>;
@group(0) @binding(4) var<storage, read_write> actions: array<f32>;

#include random

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= shape.rows * shape.columns) { return; }
  let k = id.x % shape.columns;
  let environment = shape.first + id.x / shape.columns;
  let bits = pcg4d(vec4u(shape.seed, clock[shape.at], environment, k));
  let noise = normal(bits.xy);
  let i = shape.at * shape.rows * shape.columns + id.x;
  actions[i] = mean[i] + exp(parameters[shape.log_std_at + k]) * noise;
}
