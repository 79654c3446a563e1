// RUN: %nimble-opt %s --split-input-file --nimble-erase-dims | FileCheck %s

// CHECK-LABEL: func.func @types
// CHECK-SAME:    %[[X:.*]]: tensor<?x4xf32>, %[[I:.*]]: tensor<?xi32>) -> (tensor<?x4xf32>, tensor<?xi32>)
// CHECK:         %[[SUM:.*]] = linalg.add ins(%[[X]], %[[X]] : tensor<?x4xf32>, tensor<?x4xf32>) outs(%[[X]] : tensor<?x4xf32>) -> tensor<?x4xf32>
// CHECK:         return %[[SUM]], %[[I]]
func.func @types(%x: tensor<?x4xf32, #nimble.dims<[@s, 4]>>, %i: tensor<?xui32, #nimble.dims<[@s]>>) -> (tensor<?x4xf32, #nimble.dims<[@s, 4]>>, tensor<?xui32, #nimble.dims<[@s]>>) {
  %0 = linalg.add ins(%x, %x : tensor<?x4xf32, #nimble.dims<[@s, 4]>>, tensor<?x4xf32, #nimble.dims<[@s, 4]>>) outs(%x : tensor<?x4xf32, #nimble.dims<[@s, 4]>>) -> tensor<?x4xf32, #nimble.dims<[@s, 4]>>
  return %0, %i : tensor<?x4xf32, #nimble.dims<[@s, 4]>>, tensor<?xui32, #nimble.dims<[@s]>>
}

// -----

// A cast between dims is nothing; one from or to a static size stays a tensor.cast.
// CHECK-LABEL: func.func @casts
// CHECK-SAME:    %[[X:.*]]: tensor<?xf32>
// CHECK:         %[[STATIC:.*]] = tensor.cast %[[X]] : tensor<?xf32> to tensor<4xf32>
// CHECK:         %[[AGAIN:.*]] = tensor.cast %[[STATIC]] : tensor<4xf32> to tensor<?xf32>
// CHECK-NOT:     cast
// CHECK:         return %[[X]], %[[X]], %[[AGAIN]]
func.func @casts(%x: tensor<?xf32, #nimble.dims<[@s]>>) -> (tensor<?xf32, #nimble.dims<[@t]>>, tensor<?xf32, #nimble.dims<[@t]>>, tensor<?xf32, #nimble.dims<[@t]>>) {
  %0 = "nimble.cast"(%x) : (tensor<?xf32, #nimble.dims<[@s]>>) -> tensor<?xf32, #nimble.dims<[@t]>>
  %1 = tensor.cast %x : tensor<?xf32, #nimble.dims<[@s]>> to tensor<?xf32, #nimble.dims<[@t]>>
  %2 = "nimble.cast"(%x) : (tensor<?xf32, #nimble.dims<[@s]>>) -> tensor<4xf32>
  %3 = tensor.cast %2 : tensor<4xf32> to tensor<?xf32, #nimble.dims<[@t]>>
  return %0, %1, %3 : tensor<?xf32, #nimble.dims<[@t]>>, tensor<?xf32, #nimble.dims<[@t]>>, tensor<?xf32, #nimble.dims<[@t]>>
}

// -----

// Block arguments inside regions, too.
// CHECK-LABEL: func.func @in_a_region
// CHECK:         scf.for {{.*}} iter_args(%[[CARRY:.*]] = %{{.*}}) -> (tensor<?xf32>)
// CHECK-NEXT:      scf.yield %[[CARRY]] : tensor<?xf32>
func.func @in_a_region(%x: tensor<?xf32, #nimble.dims<[@s]>>, %n: index) -> tensor<?xf32, #nimble.dims<[@s]>> {
  %0 = scf.for %i = %n to %n step %n iter_args(%carry = %x) -> tensor<?xf32, #nimble.dims<[@s]>> {
    scf.yield %carry : tensor<?xf32, #nimble.dims<[@s]>>
  }
  return %0 : tensor<?xf32, #nimble.dims<[@s]>>
}

// -----

// The signs of integers go with their types: ops say what is signed.
// CHECK-LABEL: func.func @signs
// CHECK-SAME:    %[[X:.*]]: tensor<4xi32>
// CHECK-NEXT:    return %[[X]] : tensor<4xi32>
func.func @signs(%x: tensor<4xui32>) -> tensor<4xi32> {
  %0 = builtin.unrealized_conversion_cast %x : tensor<4xui32> to tensor<4xi32>
  return %0 : tensor<4xi32>
}

// -----

// CHECK-LABEL: func.func @nothing_to_do
// CHECK:         tensor.cast %{{.*}} : tensor<?xf32> to tensor<4xf32>
func.func @nothing_to_do(%x: tensor<?xf32>) -> tensor<4xf32> {
  %0 = tensor.cast %x : tensor<?xf32> to tensor<4xf32>
  return %0 : tensor<4xf32>
}
