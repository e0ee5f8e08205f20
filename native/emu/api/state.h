// Everything the emulated driver remembers. Guarded by driver_mutex().
#pragma once

#include "emu/api/cublaslt.h"
#include "emu/api/handles.h"
#include "emu/api/stream.h"
#include "emu/run/launch.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace pn::emu {

struct Context {
    static constexpr const char* word = "context";
    int references = 0;
};

struct Module {
    static constexpr const char* word = "module";
    std::string stem;  // of the kernels it has; empty for all
};

struct Function {
    static constexpr const char* word = "function";
    const Kernel* kernel;
    Module* module;
    std::size_t dynamic_limit;
};

// Fail the k-th call from now on, of those with this name where one is given.
struct Injection {
    std::uint64_t after = 0;  // 0: none
    std::string name;
    Code code = out_of_memory;
};

struct State {
    bool initialized = false;
    Context context;  // the primary one of the only device
    Code lost = success;  // an error that nothing but a new context ends
    Handles<Module> modules;
    Handles<Function> functions;
    Handles<Stream> streams;
    Handles<Event> events;
    Handles<Graph> graphs;
    Handles<GraphExec> executables;
    Handles<LtHandle> lt_handles;
    Handles<LtDescriptor> lt_descriptors;
    Handles<LtLayout> lt_layouts;
    Handles<LtPreference> lt_preferences;
    std::map<const void*, std::size_t> host_memory;  // page-locked
    Schedule schedule;
    Injection injection;
    std::uint64_t calls = 0, launches = 0;
};

State& state();

// Whether all of [p, p + bytes) is page-locked host memory.
bool is_page_locked(const void* p, std::size_t bytes);

// By its name; false when there is none of that name.
bool set_schedule(std::string_view name, std::uint64_t seed);

// What the environment asks for: PNCUDA_EMU_SCHEDULE, _SEED, _MEMORY, _WORKERS, _FAIL.
void read_environment();

}  // namespace pn::emu
