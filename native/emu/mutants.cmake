# Kernels with one bug each, in artifacts/native/mutants/NAME: the tests of PeftNative.Cuda.Tests must tell every one of them from
# the right kernels. A bug is a replacement of text that stands once in a file of kernels/.
file(GLOB kernel_headers "${CMAKE_SOURCE_DIR}/kernels/include/*.cuh")

# add_mutant(NAME UNIT FILE BEFORE AFTER [SANITIZER]): FILE with AFTER for BEFORE; UNIT.cu is what is compiled with it. With a
# sanitizer the mutant is one more in artifacts/native/SANITIZER/mutants, for that sanitizer to find.
function(add_mutant name unit file before after)
  set(sanitizer "${ARGN}")
  set(variant "")
  set(options "-O1")
  if(sanitizer)
    set(variant "_${sanitizer}")
    list(APPEND options -g "-fsanitize=${sanitizer}" -Wno-tsan)
  endif()
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/mutants/${name}${variant}")
  file(MAKE_DIRECTORY "${folder}")
  set(others ${kernel_headers} "${CMAKE_SOURCE_DIR}/kernels/${unit}.cu")
  list(REMOVE_ITEM others "${CMAKE_SOURCE_DIR}/kernels/${file}")
  foreach(source ${others})
    configure_file("${source}" "${folder}" COPYONLY)
  endforeach()
  get_filename_component(base "${file}" NAME)
  file(READ "${CMAKE_SOURCE_DIR}/kernels/${file}" text)
  string(FIND "${text}" "${before}" first)
  string(FIND "${text}" "${before}" last REVERSE)
  if(first EQUAL -1 OR NOT first EQUAL last)
    message(FATAL_ERROR "The seeded bug ${name} does not fit kernels/${file} any more: its text must stand there once")
  endif()
  string(REPLACE "${before}" "${after}" text "${text}")
  file(WRITE "${folder}/${base}.new" "${text}")
  configure_file("${folder}/${base}.new" "${folder}/${base}" COPYONLY)
  add_kernel_objects(mutant_${name}${variant} "${options}" "${folder}/${unit}.cu")
  target_include_directories(mutant_${name}${variant} BEFORE PRIVATE "${folder}")
  add_emulator(pncuda_emu_${name}${variant} pncuda_emu_runtime${variant} "${sanitizer}/mutants/${name}"
    $<TARGET_OBJECTS:mutant_${name}${variant}>
    $<FILTER:$<TARGET_OBJECTS:pncuda_emu_kernels${variant}>,EXCLUDE,/${unit}[.]cu[.]o>)
  if(sanitizer)
    target_link_options(pncuda_emu_${name}${variant} PRIVATE "-fsanitize=${sanitizer}" -Wl,-z,undefs)
  endif()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/kernels/${file}")
endfunction()

foreach(sanitizer "" thread)
  add_mutant(dropped_barrier linear include/tile.cuh
    "        stage<right_order>(b, k0, depth, right);\n        sync_block();"
    "        stage<right_order>(b, k0, depth, right);" ${sanitizer})
endforeach()
add_mutant(short_array losses include/reduce.cuh "PN_SMEM(T, partial, warp_size)" "PN_SMEM(T, partial, 1)" address)
add_mutant(off_by_one_tile linear include/tile.cuh "k0 + k < depth ?" "k0 + k < depth - 1 ?")
add_mutant(swapped_operands linear include/tile.cuh "fmaf(x[i], y[j]," "fmaf(x[j], y[i],")
add_mutant(missing_scale linear include/low_rank.cuh "pair.scale * pair.s.get<float>(row, r)" "pair.s.get<float>(row, r)")
add_mutant(wrong_grid linear linear.cu
  "const Tensor& y, const LowRankPairs& pairs) {\n    const int column0 = blockIdx.x * tile_size, row0 = blockIdx.y * tile_size;"
  "const Tensor& y, const LowRankPairs& pairs) {\n    const int column0 = blockIdx.y * tile_size, row0 = blockIdx.x * tile_size;")
add_mutant(wrong_stride elementwise include/tensor.cuh "+ i * stride" "+ i * columns")
add_mutant(racing_reduction losses include/reduce.cuh "    sync_block();  // the next call may write partial\n" "")
add_mutant(wrong_mask attention include/attention.cuh "j < end_seen(s, i)" "j <= end_seen(s, i)")
add_mutant(stale_prefix attention include/attention.cuh "values ? &op.prefix_v : &op.prefix_k" "values ? &op.prefix_k : &op.prefix_k")
add_mutant(missing_copy_wait attention_mma include/attention_fragments.cuh "    cp_async_commit();\n    cp_async_wait<0>();"
    "    cp_async_commit();")
