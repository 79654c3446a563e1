// RUN: %nimble-opt < %s | FileCheck %s --check-prefix=PRETTY
// RUN: %nimble-opt %s --mlir-print-op-generic --mlir-print-debuginfo --allow-unregistered-dialect | FileCheck %s --check-prefix=GENERIC
// RUN: %nimble-opt %s --emit-bytecode -o %t && %nimble-opt %t --nimble-emit-iree | FileCheck %s --check-prefix=BYTECODE

// PRETTY: func.func @f(%{{.*}}: i1)
// GENERIC: "func.func"() <{function_type = (i1) -> (), sym_name = "f"}>
// BYTECODE: cf.assert %{{.*}}, "[nimble.check tag] message"
func.func @f(%condition: i1) {
  // GENERIC: "nimble.check"(%{{.*}}) {kind = "tag", message = "message"} : (i1) -> () loc([[LOC:#.*]])
  // GENERIC: [[LOC]] = loc("-":[[#@LINE+1]]:3)
  "nimble.check"(%condition) {kind = "tag", message = "message"} : (i1) -> ()
  return
}
