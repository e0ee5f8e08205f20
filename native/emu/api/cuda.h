// The part of the CUDA driver's ABI that the emulator has, in
// words of its own; values are those of NVIDIA's documentation.
#pragma once

#include <cstddef>

#define PN_API extern "C" __attribute__((visibility("default")))

namespace pn::emu {

using Pointer = unsigned long long;  // CUdeviceptr

enum Code : int {
    success = 0,
    invalid_value = 1,
    out_of_memory = 2,
    not_initialized = 3,
    invalid_device = 101,
    invalid_image = 200,
    invalid_context = 201,
    invalid_handle = 400,
    not_found = 500,
    not_ready = 600,
    illegal_address = 700,
    launch_out_of_resources = 701,
    launch_failed = 719,
    not_supported = 801,
    capture_unsupported = 900,
    capture_invalidated = 901,
    capture_unmatched = 903,
    graph_update_failure = 910,
};

// Handles are addresses of these; nobody looks inside one before it was found among the live ones.
struct Context;
struct Module;
struct Function;
struct Stream;
struct Event;
struct Graph;
struct GraphExec;

}  // namespace pn::emu
