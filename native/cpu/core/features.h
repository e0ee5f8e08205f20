// What this processor (and its operating system) can do.
#pragma once

#include <string>

namespace pn {

struct Kernels;

// The kernels of the instruction set called portable, avx2, avx512
// or avx512bf16; null when this build or machine does not have it.
const Kernels* find_kernels(const std::string& name);

// The kernels of that name; without one those that the environment
// variable PEFTNATIVE_CPU names, or the best of this machine.
const Kernels& choose_kernels(const char* name);

std::string processor_name();
int processor_count();

}  // namespace pn
