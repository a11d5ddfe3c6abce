// How far observations are from the reference, and the gradient of that by them: for errors o in units of their scales
//
//   loss = sum over the errors of weight (K scale)^2 log(1 + (o / scale)^2 / K^2)
//
// which is weight o^2 near the reference and grows with the logarithm far off, lest a few bodies that are lost decide
// where all go. Mean over rows 1 to `rows` - 1 of [rows, environments, OBSERVED] (the first row is not the policy's
// doing); an environment whose episode ended in a row begins anew there, and what it observes counts for nothing.
//
// losses [environments]: each one's share, summed over its rows

struct Shape { environments: u32, rows: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> observations: array<f32>;
@group(0) @binding(2) var<storage, read> ends: array<u32>;
@group(0) @binding(3) var<storage, read> scales: array<f32>;   // [ERRORS]
@group(0) @binding(4) var<storage, read> weights: array<f32>;  // [ERRORS]
@group(0) @binding(5) var<storage, read_write> cotangents: array<f32>;
@group(0) @binding(6) var<storage, read_write> losses: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let N = shape.environments;
  let e = id.x;
  if (e >= N) { return; }
  let share = 1.0 / f32(N * (shape.rows - 1u));
  var sum = 0.0;
  for (var t = 0u; t < shape.rows; t++) {
    let at = (t * N + e) * ${OBSERVED}u;
    let counts = t > 0u && ends[(max(t, 1u) - 1u) * N + e] == 0u;
    for (var k = 0u; k < ${OBSERVED}u; k++) {
      var cotangent = 0.0;
      if (counts && k < ${ERRORS}u) {
        let o = observations[at + k];
        let far = ${K} * scales[k];
        let z = fma(o / far, o / far, 1.0);
        sum += share * weights[k] * far * far * log(z);
        cotangent = share * 2.0 * weights[k] * o / z;
      }
      cotangents[at + k] = cotangent;
    }
  }
  losses[e] = sum;
}
