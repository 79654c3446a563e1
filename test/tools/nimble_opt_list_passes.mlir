// RUN: %nimble-opt --list-passes | FileCheck %s
// CHECK:     nimble-inline-calls Inlines every call
// CHECK:     nimble-infer-dims Infers the dims
// CHECK:     nimble-verify-level Fails where
