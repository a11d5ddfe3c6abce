// Generalised advantage estimation (Schulman et al. 2016), backwards in time, one thread an environment; everything
// is [steps, environments]:
//   delta[t] = scale reward[t] + discount next - value[t]
//   advantage[t] = delta[t] + discount lambda advantage[t + 1],  target[t] = advantage[t] + value[t]
// ends[t] = 0 where the episode goes on: next = value[t + 1]; 1 where it is over, by a fall or
// because the motion is: next = 0 and the sum begins
// anew; 2 + k where it was cut off, by a time limit or by the end of the batch: next = the value of final state k,
// and the sum begins anew.

struct Shape { steps: u32, environments: u32, discount: f32, lambda: f32, scale: f32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> rewards: array<f32>;
@group(0) @binding(2) var<storage, read> ends: array<u32>;
@group(0) @binding(3) var<storage, read> values: array<f32>;
@group(0) @binding(4) var<storage, read> finals: array<f32>;
@group(0) @binding(5) var<storage, read_write> advantages: array<f32>;
@group(0) @binding(6) var<storage, read_write> targets: array<f32>;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let environment = id.x;
  if (environment >= shape.environments) { return; }
  var next = 0.0;
  var advantage = 0.0;
  for (var back = 0u; back < shape.steps; back++) {
    let at = (shape.steps - 1u - back) * shape.environments + environment;
    let end = ends[at];
    if (end > 0u) {
      advantage = 0.0;
      next = 0.0;
      if (end > 1u) { next = finals[end - 2u]; }
    }
    let value = values[at];
    let delta = fma(shape.discount, next, shape.scale * rewards[at]) - value;
    advantage = fma(shape.discount * shape.lambda, advantage, delta);
    advantages[at] = advantage;
    targets[at] = advantage + value;
    next = value;
  }
}
