// Sine, cosine and the angle of a vector, good to 2e-7. WGSL's own are only good to 2^-11 by the specification, and
// SwiftShader's are no better: after one control step a rotation is off by 1e-3 rad. Reduction by pi / 2 in two parts
// (Cody & Waite 1980), polynomials of Cephes (Moshier).

// sine and cosine, up to 200 rad: beyond, the first part's product is not exact where a driver's fma rounds twice
fn sincos(x: f32) -> vec2f {
  let k = round(x * 0.63661977236758);
  // j is k as far as it matters; with k itself Mesa adds the two parts up before it multiplies
  let j = min(k, 1e6);
  let r = fma(j, -1.0804334124e-5, fma(k, -1.5707855224609375, x));
  let z = r * r;
  let s = fma(fma(fma(-1.9515295891e-4, z, 8.3321608736e-3), z, -1.6666654611e-1) * z, r, r);
  let c = fma(fma(fma(2.443315711809948e-5, z, -1.388731625493765e-3), z, 4.166664568298827e-2) * z, z, fma(-0.5, z, 1.0));
  let quarter = i32(k);
  let odd = (quarter & 1) != 0;
  let sine = select(s, c, odd) * select(1.0, -1.0, (quarter & 2) != 0);
  let cosine = select(c, s, odd) * select(1.0, -1.0, ((quarter + 1) & 2) != 0);
  return vec2f(sine, cosine);
}

// angle of (x, y), rad; 0 for the zero vector
fn arctangent(y: f32, x: f32) -> f32 {
  let a = max(abs(x), abs(y));
  let b = min(abs(x), abs(y));
  // an angle of up to pi / 4 beyond pi / 8 is turned back by pi / 4
  let far = b > 0.41421356 * a;
  let t = select(b / max(a, 1e-30), (b - a) / max(a + b, 1e-30), far);
  let z = t * t;
  let series = fma(fma(fma(fma(8.05374449538e-2, z, -1.38776856032e-1), z, 1.99777106478e-1), z, -3.33329491539e-1) * z, t, t);
  let small = select(series, series + 0.78539816, far);
  let turned = select(small, 1.57079633 - small, abs(y) > abs(x));
  let angle = select(turned, 3.14159265 - turned, x < 0.0);
  return select(angle, -angle, y < 0.0);
}
