// Random numbers as a function of a key of four words: pcg4d (Jarzynski & Olano 2020), normal by Box & Muller. What chance
// decides does not depend on the order in which threads run, and a run that goes on draws what it would have drawn.

fn pcg4d(key: vec4u) -> vec4u {
  var v = key * 1664525u + 1013904223u;
  v.x += v.y * v.w; v.y += v.z * v.x; v.z += v.x * v.y; v.w += v.y * v.z;
  v ^= v >> vec4u(16u);
  v.x += v.y * v.w; v.y += v.z * v.x; v.z += v.x * v.y; v.w += v.y * v.z;
  return v;
}

// in [0, 1), 24 bits as f32 holds them
fn uniform4(bits: vec4u) -> vec4f {
  return vec4f(bits >> vec4u(8u)) / 16777216.0;
}

fn normal(bits: vec2u) -> f32 {
  // never the logarithm of 0
  let u = (f32(bits.x >> 8u) + 1.0) / 16777216.0;
  let v = f32(bits.y >> 8u) / 16777216.0;
  // a driver's log of nearly 1 may be above 0
  return sqrt(max(0.0, -2.0 * log(u))) * cos(6.28318531 * v);
}
