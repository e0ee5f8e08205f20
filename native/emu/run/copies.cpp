#include "emu/run/copies.h"

#include "emu/run/sanitizers.h"

#include <cstring>

namespace pn::emu {

namespace {

constexpr std::size_t width = 16;

}  // namespace

void Copies::clear() {
    requests_.clear();
    groups_.clear();
    done_ = 0;
}

void Copies::request(void* to, const void* from, int bytes) {
    note_write(to, width);
    std::memset(to, 0xff, width);  // NaN: whoever reads it before it has arrived shall see that
    requests_.push_back({to, from, bytes});
}

void Copies::wait(int pending) {
    const auto keep = static_cast<std::size_t>(pending);
    if (groups_.size() <= keep) return;
    const std::size_t end = groups_[groups_.size() - 1 - keep];
    for (; done_ < end; done_++) {
        const Request& request = requests_[done_];
        unsigned char value[width] = {};
        std::memcpy(value, request.from, static_cast<std::size_t>(request.bytes));
        note_write(request.to, width);
        std::memcpy(request.to, value, width);
    }
    if (keep == 0 && end == requests_.size()) clear();
}

}  // namespace pn::emu
