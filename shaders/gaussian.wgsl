// Diagonal Gaussian with a log standard deviation s[k] that does not depend on the state; one thread a row.
//   LOG_PROB  result[row] = sum over k of -z^2/2 - s[k] - log(2 pi)/2,  z = (action - mean) / exp(s[k])
//   KL        result[row] = sum over k of s'[k] - s[k] + (exp(2 s[k]) + (mean - mean')^2) / (2 exp(2 s'[k])) - 1/2
//             from the old policy (mean, s) to the new (mean', s')
//   else      result[0] = entropy = sum over k of s[k] + log(2 pi e)/2, the same for every state

struct Shape { rows: u32, columns: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;
@group(0) @binding(2) var<storage, read> log_std: array<f32>;
#if ${LOG_PROB}
@group(0) @binding(3) var<storage, read> mean: array<f32>;
@group(0) @binding(4) var<storage, read> actions: array<f32>;
#elif ${KL}
@group(0) @binding(3) var<storage, read> mean: array<f32>;
@group(0) @binding(4) var<storage, read> new_mean: array<f32>;
@group(0) @binding(5) var<storage, read> new_log_std: array<f32>;
#endif

const HALF_LOG_2PI = 0.9189385332;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x;
  if (row >= shape.rows) { return; }
  var sum = 0.0;
  for (var k = 0u; k < shape.columns; k++) {
    let s = log_std[k];
#if ${LOG_PROB}
    let at = row * shape.columns + k;
    let z = (actions[at] - mean[at]) * exp(-s);
    sum += -0.5 * z * z - s - HALF_LOG_2PI;
#elif ${KL}
    let at = row * shape.columns + k;
    let new_s = new_log_std[k];
    let d = mean[at] - new_mean[at];
    // the two exponentials' difference from 1 and 0 is what counts near the old policy
    sum += new_s - s + 0.5 * (exp(2.0 * (s - new_s)) - 1.0 + d * d * exp(-2.0 * new_s));
#else
    sum += s + HALF_LOG_2PI + 0.5;
#endif
  }
  result[row] = sum;
}
