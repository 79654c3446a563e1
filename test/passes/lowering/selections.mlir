// RUN: %nimble-opt %s --split-input-file --nimble-legalize-to-linalg --verify-diagnostics | FileCheck %s

// Flags are counted by parts, and each part is filled by itself: kernels, which nothing is fused with.
// CHECK-LABEL: func.func @nonzero
// CHECK-SAME:    %[[M:[^:]*]]: tensor<?xi1
// CHECK:         %[[F:.*]] = stablehlo.convert %[[M]]
// CHECK-DAG:     %[[IN:.*]] = "nimble.bind"(%[[F]], %{{.*}})
// CHECK:         %[[COUNTED:.*]] = "nimble.kernel"(%[[IN]], %{{.*}}, %{{.*}}) ({
// CHECK:           scf.for
// CHECK:             vector.transfer_read
// CHECK:             vector.bitcast %{{.*}} : vector<64xi1> to vector<1xi64>
// CHECK:             math.ctpop
// CHECK:         %[[O:.*]] = "nimble.unbind"(%[[COUNTED]])
// CHECK:         %[[OFFSETS:.*]] = "nimble.bind"(%[[O]])
// CHECK:         "nimble.kernel"(%{{.*}}, %[[OFFSETS]], %{{.*}}, %{{.*}}) ({
// CHECK:           math.ctpop
// CHECK:           scf.for
// CHECK:             math.cttz
// CHECK:             tensor.insert
func.func @nonzero(%m: tensor<?xi1, #nimble.dims<[@s]>>, %s0: index, %k0: index) -> tensor<?xi32, #nimble.dims<[@k]>> {
  %s = "nimble.symbol"(%s0) {symbol = @s, bounds = {min = 0}} : (index) -> index
  %k = "nimble.symbol"(%k0) {symbol = @k, bounds = {min = 0}} : (index) -> index
  %f = stablehlo.convert %m : (tensor<?xi1, #nimble.dims<[@s]>>) -> tensor<?xi8, #nimble.dims<[@s]>>
  %o = "nimble.count"(%f) : (tensor<?xi8, #nimble.dims<[@s]>>) -> tensor<65xi32>
  %0 = "nimble.nonzero"(%f, %o, %k) : (tensor<?xi8, #nimble.dims<[@s]>>, tensor<65xi32>, index) -> tensor<?xi32, #nimble.dims<[@k]>>
  return %0 : tensor<?xi32, #nimble.dims<[@k]>>
}

// -----

// Runs are copied whole where dimensions follow; booleans are bytes in a kernel.
// CHECK-LABEL: func.func @compress
// CHECK:         "nimble.kernel"
// CHECK:           scf.if
// CHECK:             vector.transfer_write
// CHECK:         "nimble.kernel"
// CHECK:           math.cttz
// CHECK:         arith.trunci {{.*}} : i8 to i1
func.func @compress(%x: tensor<?x4xf32, #nimble.dims<[@s, 4]>>, %y: tensor<3x?xi1, #nimble.dims<[3, @s]>>, %f: tensor<?xi8, #nimble.dims<[@s]>>, %o: tensor<65xi32>, %s0: index, %k0: index) -> (tensor<?x4xf32, #nimble.dims<[@k, 4]>>, tensor<3x?xi1, #nimble.dims<[3, @k]>>) {
  %s = "nimble.symbol"(%s0) {symbol = @s, bounds = {min = 0}} : (index) -> index
  %k = "nimble.symbol"(%k0) {symbol = @k, bounds = {min = 0}} : (index) -> index
  %0 = "nimble.compress"(%x, %f, %o, %k) {dimension = 0 : i64} : (tensor<?x4xf32, #nimble.dims<[@s, 4]>>, tensor<?xi8, #nimble.dims<[@s]>>, tensor<65xi32>, index) -> tensor<?x4xf32, #nimble.dims<[@k, 4]>>
  %1 = "nimble.compress"(%y, %f, %o, %k) {dimension = 1 : i64} : (tensor<3x?xi1, #nimble.dims<[3, @s]>>, tensor<?xi8, #nimble.dims<[@s]>>, tensor<65xi32>, index) -> tensor<3x?xi1, #nimble.dims<[3, @k]>>
  return %0, %1 : tensor<?x4xf32, #nimble.dims<[@k, 4]>>, tensor<3x?xi1, #nimble.dims<[3, @k]>>
}

// -----

// With a bound, one kernel writes and counts.
// CHECK-LABEL: func.func @nonzero_padded
// CHECK:         %[[R:.*]]:2 = "nimble.kernel"
// CHECK:           scf.while
// CHECK:           scf.for
// CHECK-NOT:     nimble.kernel"
// CHECK:         "nimble.unbind"(%[[R]]#0) : (!nimble.binding) -> tensor<9xi32>
func.func @nonzero_padded(%f: tensor<?xi8, #nimble.dims<[@s]>>, %s0: index) -> (tensor<9xi32>, tensor<i32>) {
  %s = "nimble.symbol"(%s0) {symbol = @s, bounds = {min = 0}} : (index) -> index
  %0:2 = "nimble.nonzero_padded"(%f) : (tensor<?xi8, #nimble.dims<[@s]>>) -> (tensor<9xi32>, tensor<i32>)
  return %0#0, %0#1 : tensor<9xi32>, tensor<i32>
}
