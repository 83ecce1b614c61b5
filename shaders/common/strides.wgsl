// Up to eight dimensions, outermost first, in vec4s since uniform arrays step by 16 bytes.
alias Dims = array<vec4<u32>, 2>;
alias Steps = array<vec4<i32>, 2>;
