#include "emu/api/cuda.h"

#include "emu/api/control.h"

#include "emu/api/state.h"
#include "emu/run/memory.h"
#include "emu/run/report.h"
#include "emu/run/workers.h"

#include <cstring>

using namespace pn::emu;

size_t pncuda_emu_report(char* text, size_t bytes) {
    const std::string last = last_report();
    if (text != nullptr && bytes > 0) {
        std::strncpy(text, last.c_str(), bytes - 1);
        text[bytes - 1] = 0;
    }
    return last.size();
}

void pncuda_emu_clear_report() { clear_report(); }

int pncuda_emu_set_schedule(const char* name, uint64_t seed) {
    const std::lock_guard lock(driver_mutex());
    return set_schedule(name, seed) ? 1 : 0;
}

void pncuda_emu_set_memory_limit(size_t bytes) { DeviceMemory::get().set_limit(bytes); }

void pncuda_emu_set_workers(int count) {
    const std::lock_guard lock(driver_mutex());
    set_workers(count);
}

void pncuda_emu_fail(uint64_t k, const char* name, int code) {
    const std::lock_guard lock(driver_mutex());
    state().injection = {k, name == nullptr ? "" : name, static_cast<Code>(code)};
}

uint64_t pncuda_emu_calls() { return state().calls; }
uint64_t pncuda_emu_launches() { return state().launches; }

uint64_t pncuda_emu_live(const char* what) {
    const std::lock_guard lock(driver_mutex());
    const State& s = state();
    const std::string_view name = what;
    if (name == "memory") return DeviceMemory::get().count();
    if (name == "bytes") return DeviceMemory::get().used();
    if (name == "host") return s.host_memory.size();
    if (name == "modules") return s.modules.count();
    if (name == "functions") return s.functions.count();
    if (name == "streams") return s.streams.count();
    if (name == "events") return s.events.count();
    if (name == "graphs") return s.graphs.count();
    if (name == "executables") return s.executables.count();
    if (name == "products")
        return s.lt_handles.count() + s.lt_descriptors.count() + s.lt_layouts.count() + s.lt_preferences.count();
    return ~uint64_t{0};
}
