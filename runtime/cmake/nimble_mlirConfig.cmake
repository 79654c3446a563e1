# find_package(nimble_mlir [COMPONENTS runtime]): targets of the header-only C++ library.
#
#   nimble_mlir::headers   signatures, checks of sizes, tensors, .npy files, archives; needs nothing else
#   nimble_mlir::runtime   all of it with nimble/module.hpp, over IREE's C runtime (component `runtime`: IREERuntime_DIR)
get_filename_component(_nimble_mlir_include "${CMAKE_CURRENT_LIST_DIR}/../include" ABSOLUTE)
if(NOT EXISTS "${_nimble_mlir_include}/nimble/signature.hpp")
  # Installed by CMake: <prefix>/lib/cmake/nimble_mlir beside <prefix>/include.
  get_filename_component(_nimble_mlir_include "${CMAKE_CURRENT_LIST_DIR}/../../../include" ABSOLUTE)
endif()

if(NOT TARGET nimble_mlir::headers)
  add_library(nimble_mlir::headers INTERFACE IMPORTED)
  set_target_properties(nimble_mlir::headers PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${_nimble_mlir_include}"
    INTERFACE_COMPILE_FEATURES cxx_std_17)
endif()

if("runtime" IN_LIST nimble_mlir_FIND_COMPONENTS AND NOT TARGET nimble_mlir::runtime)
  find_package(Threads QUIET)
  if(NOT TARGET iree_runtime_unified)
    find_package(IREERuntime QUIET CONFIG)
  endif()
  if(TARGET iree_runtime_unified AND TARGET Threads::Threads)
    add_library(nimble_mlir::runtime INTERFACE IMPORTED)
    target_link_libraries(nimble_mlir::runtime INTERFACE nimble_mlir::headers
      iree_modules_io_parameters_parameters iree_io_parameter_index_provider iree_runtime_unified Threads::Threads)
  elseif(nimble_mlir_FIND_REQUIRED_runtime)
    set(nimble_mlir_FOUND FALSE)
    set(nimble_mlir_NOT_FOUND_MESSAGE
        "component `runtime` needs IREE's C runtime: give -DIREERuntime_DIR=<build>/lib/cmake/IREE (docs/cpp.md)")
  endif()
endif()
set(nimble_mlir_runtime_FOUND FALSE)
if(TARGET nimble_mlir::runtime)
  set(nimble_mlir_runtime_FOUND TRUE)
endif()
unset(_nimble_mlir_include)
