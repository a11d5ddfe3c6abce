// What the adapter can do at most, for the benchmark.
//   COPY  y[i] = x[i] in vectors of 4, `length` of them: memory traffic alone
//   else  8 independent chains x = fma(x, a, b) of 8 `length` links a thread, all in registers; more chains spill on
//         a CPU with 16 vector registers, fewer links leave the loop itself on the bill

struct Shape { length: u32, a: f32, b: f32 }

@group(0) @binding(0) var<uniform> shape: Shape;
#if ${COPY}
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;
#else
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
#endif

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
#if ${COPY}
  for (var i = id.x; i < shape.length; i += groups.x * 256u) { y[i] = x[i]; }
#else
#unroll c 8
  var x{c} = f32(id.x + {c}u);
#end
  for (var k = 0u; k < shape.length; k++) {
#unroll l 8
#unroll c 8
    x{c} = fma(x{c}, shape.a, shape.b);
#end
#end
  }
  y[id.x] = x0 + x1 + x2 + x3 + x4 + x5 + x6 + x7;
#endif
}
