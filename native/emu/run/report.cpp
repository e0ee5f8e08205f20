#include "emu/run/report.h"

#include <mutex>

namespace pn::emu {

namespace {

std::mutex mutex;
std::string last;

}  // namespace

void report(std::string text) {
    const std::lock_guard lock(mutex);
    last = std::move(text);
}

std::string last_report() {
    const std::lock_guard lock(mutex);
    return last;
}

void clear_report() { report({}); }

}  // namespace pn::emu
