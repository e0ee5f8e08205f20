#include "emu/api/state.h"

#include "emu/run/memory.h"
#include "emu/run/workers.h"

#include <cstdlib>
#include <string_view>

namespace pn::emu {

State& state() {
    static State s;
    return s;
}

bool is_page_locked(const void* p, std::size_t bytes) {
    const auto& memory = state().host_memory;
    auto range = memory.upper_bound(p);
    if (range == memory.begin()) return false;
    --range;
    const char *const begin = static_cast<const char*>(range->first), *const at = static_cast<const char*>(p);
    return at + bytes <= begin + range->second;
}

namespace {

std::uint64_t number(const char* name, std::uint64_t otherwise) {
    const char* const text = std::getenv(name);
    return text == nullptr || *text == 0 ? otherwise : std::strtoull(text, nullptr, 0);
}

}  // namespace

bool set_schedule(std::string_view name, std::uint64_t seed) {
    constexpr std::string_view names[] = {"forward", "reverse", "random", "skewed"};
    for (int i = 0; i < 4; i++)
        if (names[i] == name) {
            state().schedule = {static_cast<Order>(i), seed};
            return true;
        }
    return false;
}

void read_environment() {
    State& s = state();
    if (const char* const order = std::getenv("PNCUDA_EMU_SCHEDULE")) set_schedule(order, s.schedule.seed);
    s.schedule.seed = number("PNCUDA_EMU_SEED", s.schedule.seed);
    if (const std::uint64_t bytes = number("PNCUDA_EMU_MEMORY", 0)) DeviceMemory::get().set_limit(bytes);
    set_workers(static_cast<int>(number("PNCUDA_EMU_WORKERS", 0)));
    s.injection.after = number("PNCUDA_EMU_FAIL", 0);
}

}  // namespace pn::emu
