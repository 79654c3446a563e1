// RUN: %nimble-opt %s --pass-pipeline='builtin.module(nimble-inline-calls,func.func(canonicalize{max-iterations=3},cse),nimble-verify-level{level=stablehlo})' --mlir-print-ir-after-all --mlir-timing -o %t 2>&1 | FileCheck %s --check-prefix=LOG
// RUN: FileCheck %s --check-prefix=OUT < %t
// RUN: not %nimble-opt %s --pass-pipeline='builtin.module(nimble-infer-dim)' 2>&1 | FileCheck %s --check-prefix=UNKNOWN --strict-whitespace
// RUN: not %nimble-opt %s --pass-pipeline='func.func(nimble-infer-dims)' 2>&1 | FileCheck %s --check-prefix=NESTED
// RUN: not %nimble-opt %s --pass-pipeline='cse' --to-stage=nimble 2>&1 | FileCheck %s --check-prefix=EXCLUDE

func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = call @g(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func private @g(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = stablehlo.sine %x : tensor<4xf32>
  %1 = stablehlo.sine %x : tensor<4xf32>
  %2 = stablehlo.add %0, %1 : tensor<4xf32>
  return %2 : tensor<4xf32>
}

// Each pass apart, in order, also those of one nest.
// LOG: // -----// IR Dump After nimble-inline-calls //----- //
// LOG: stablehlo.sine
// LOG: stablehlo.sine
// LOG: // -----// IR Dump After canonicalize{max-iterations=3} //----- //
// LOG: stablehlo.sine
// LOG: stablehlo.sine
// LOG: // -----// IR Dump After cse //----- //
// LOG: stablehlo.sine
// LOG-NOT: stablehlo.sine
// LOG: // -----// IR Dump After nimble-verify-level{level=stablehlo} //----- //
// LOG: %  nimble-inline-calls
// LOG: %  canonicalize{max-iterations=3}
// LOG: %  cse
// LOG: %  nimble-verify-level{level=stablehlo}
// LOG: %  (verification)
// LOG: 100.0%  Total

// OUT-LABEL: func.func @f
// OUT:         %[[SINE:.*]] = stablehlo.sine
// OUT:         stablehlo.add %[[SINE]], %[[SINE]]

// UNKNOWN:      nimble-opt: error: pass pipeline:1:16: unknown pass 'nimble-infer-dim'; did you mean 'nimble-infer-dims'?
// UNKNOWN-NEXT:   builtin.module(nimble-infer-dim)
// UNKNOWN-NEXT:                  ^

// NESTED: nimble-opt: error: pass pipeline:1:11: pass 'nimble-infer-dims' runs on the module and cannot be nested in 'func.func'

// EXCLUDE: nimble-opt: error: --pass-pipeline, --to-stage and flags of single passes exclude each other
