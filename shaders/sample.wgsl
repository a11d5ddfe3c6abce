// Actions of a Gaussian policy: actions[row, k] = mean[row, k] + exp(s[k]) noise. The noise is a function of the seed,
// the control step, the environment and k alone (pcg4d, Jarzynski & Olano 2020; normal by Box & Muller), so it does
// not depend on how environments are shared out, and a run that goes on draws what it would have drawn.

struct Shape { rows: u32, columns: u32, log_std_at: u32, first: u32, seed: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> clock: array<u32>;  // [0]: control steps taken in all
@group(0) @binding(2) var<storage, read> parameters: array<f32>;
@group(0) @binding(3) var<storage, read> mean: array<f32>;
@group(0) @binding(4) var<storage, read_write> actions: array<f32>;

fn pcg4d(key: vec4u) -> vec4u {
  var v = key * 1664525u + 1013904223u;
  v.x += v.y * v.w; v.y += v.z * v.x; v.z += v.x * v.y; v.w += v.y * v.z;
  v ^= v >> vec4u(16u);
  v.x += v.y * v.w; v.y += v.z * v.x; v.z += v.x * v.y; v.w += v.y * v.z;
  return v;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= shape.rows * shape.columns) { return; }
  let k = id.x % shape.columns;
  let environment = shape.first + id.x / shape.columns;
  let bits = pcg4d(vec4u(shape.seed, clock[0], environment, k));
  // 24 bits each, as f32 holds them; the first is never 0
  let u = (f32(bits.x >> 8u) + 1.0) / 16777216.0;
  let v = f32(bits.y >> 8u) / 16777216.0;
  // a driver's log of nearly 1 may be above 0
  let noise = sqrt(max(0.0, -2.0 * log(u))) * cos(6.28318531 * v);
  actions[id.x] = mean[id.x] + exp(parameters[shape.log_std_at + k]) * noise;
}
