// Diagonal Gaussian policy: actions are drawn from N(mean[row, k], exp(s[k])^2), with a log standard deviation s that
// does not depend on the state and is the tail of the parameter vector, from `log_std_at` on. z = (a - mean) / exp(s).
//   SCORE    by the mean: cotangent[row, k] = w[row] z exp(-s[k]) / rows,
//            the gradient of 1/rows sum of w[row] log density(actions[row])
//   SPREAD   by s: gradient[log_std_at + k] = 1/rows sum over rows of w[row] (z^2 - 1); one workgroup a k
//   FISHER   cotangent = tangent exp(-2 s[k]) / rows: the Fisher information of the mean, block of the Gauss-Newton
//            product J^T M J v, which is exact here since s does not depend on the state
//   COMPARE  a new policy with the old that acted: partials[group] = sums over rows of
//              (ratio - 1) w[row],  ratio = density_new(actions) / density_old(actions)
//              KL(old || new) = sum over k of s' - s + (exp(2 s) + (mean - mean')^2) / (2 exp(2 s')) - 1/2

struct Shape { rows: u32, columns: u32, log_std_at: u32, skip_at: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> parameters: array<f32>;  // the old policy's
#if ${FISHER}
@group(0) @binding(2) var<storage, read> tangent: array<f32>;  // [rows, columns]
@group(0) @binding(3) var<storage, read_write> cotangent: array<f32>;  // [rows, columns]
#else
@group(0) @binding(2) var<storage, read> mean: array<f32>;  // [rows, columns], the old policy's
@group(0) @binding(3) var<storage, read> actions: array<f32>;  // [rows, columns]
@group(0) @binding(4) var<storage, read> weights: array<f32>;  // [rows], w
#if ${SCORE}
@group(0) @binding(5) var<storage, read_write> cotangent: array<f32>;  // [rows, columns]
#elif ${SPREAD}
@group(0) @binding(5) var<storage, read_write> gradient: array<f32>;
#else
@group(0) @binding(5) var<storage, read_write> partials: array<vec2f>;
@group(0) @binding(6) var<storage, read> new_mean: array<f32>;  // [rows, columns]
@group(0) @binding(7) var<storage, read> new_parameters: array<f32>;
@group(0) @binding(8) var<storage, read> skip: array<f32>;  // nothing is done unless skip[skip_at] is 0
#endif
#endif

#if ${SCORE}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = id.x; i < shape.rows * shape.columns; i += groups.x * 256u) {
    let s = parameters[shape.log_std_at + i % shape.columns];
    let d = actions[i] - mean[i];
    cotangent[i] = weights[i / shape.columns] * d * exp(-2.0 * s) / f32(shape.rows);
  }
}

#elif ${FISHER}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = id.x; i < shape.rows * shape.columns; i += groups.x * 256u) {
    let s = parameters[shape.log_std_at + i % shape.columns];
    cotangent[i] = tangent[i] * exp(-2.0 * s) / f32(shape.rows);
  }
}

#elif ${SPREAD}

alias Share = f32;
#include total

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let k = group.x;
  let information = exp(-2.0 * parameters[shape.log_std_at + k]);
  var share = 0.0;
  for (var row = index; row < shape.rows; row += 256u) {
    let d = actions[row * shape.columns + k] - mean[row * shape.columns + k];
    share += weights[row] * (d * d * information - 1.0);
  }
  let sum = total(share, index);
  if (index == 0u) { gradient[shape.log_std_at + k] = sum / f32(shape.rows); }
}

#else

alias Share = vec2f;
#include total

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(num_workgroups) groups: vec3u,
) {
  if (skip[shape.skip_at] != 0.0) { return; }
  var share = vec2f(0.0);
  for (var row = group.x * 256u + index; row < shape.rows; row += groups.x * 256u) {
    var log_ratio = 0.0;
    var divergence = 0.0;
    for (var k = 0u; k < shape.columns; k++) {
      let at = row * shape.columns + k;
      let s = parameters[shape.log_std_at + k];
      let new_s = new_parameters[shape.log_std_at + k];
      let z = (actions[at] - mean[at]) * exp(-s);
      let new_z = (actions[at] - new_mean[at]) * exp(-new_s);
      let d = (mean[at] - new_mean[at]) * exp(-new_s);
      log_ratio += 0.5 * (z - new_z) * (z + new_z) + s - new_s;
      // what counts near the old policy is the difference of the exponential from 1
      divergence += new_s - s + 0.5 * (exp(2.0 * (s - new_s)) - 1.0 + d * d);
    }
    share += vec2f((exp(log_ratio) - 1.0) * weights[row], divergence);
  }
  let sum = total(share, index);
  if (index == 0u) { partials[group.x] = sum; }
}

#endif
