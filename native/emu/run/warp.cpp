// Collectives of a warp: lanes meet on their mask and their place in the source.
#include "emu/run/block.h"

#include "emu/run/sanitizers.h"

#include <bit>
#include <cstdio>

namespace pn::emu {

namespace {

std::string hex(unsigned mask) {
    char text[16];
    std::snprintf(text, sizeof text, "0x%08x", mask);
    return text;
}

}  // namespace

Meeting* Block::meet(unsigned mask, Site site, const void* in, void* out, bool orders_memory) {
    const int first = current_ / lanes_of_warp * lanes_of_warp;
    Warp& warp = warps_[current_ / lanes_of_warp];
    if ((mask >> lane() & 1) == 0) fail("a lane calls a collective whose mask " + hex(mask) + " leaves it out", site);
    if ((warp.exited & mask) != 0)
        fail("a collective waits for lanes " + hex(warp.exited & mask) + " that have returned or do not exist", site);
    if (const unsigned others = warp.waiting & mask) {
        const Thread& other = threads_[first + std::countr_zero(others)];
        if (other.mask != mask || !(other.site == site))
            fail("a collective with mask " + hex(mask) + " meets another one with mask " + hex(other.mask) + " at " +
                     other.site.file + ":" + std::to_string(other.site.line) + " (lanes " + hex(others) + ")",
                 site);
    }
    Thread& self = thread();
    self.site = site;
    self.mask = mask;
    self.in = in;
    self.out = out;
    warp.waiting |= 1u << lane();
    char* const order = &warp.order[warp.round & 1];
    if (orders_memory) publish(order);
    if ((warp.waiting & mask) == mask) {
        for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
            const int l = std::countr_zero(rest);
            warp.meeting.in[l] = threads_[first + l].in;
            warp.meeting.out[l] = threads_[first + l].out;
        }
        return &warp.meeting;
    }
    states_[current_] = State::at_collective;
    wait();
    if (orders_memory) observe(order);
    return nullptr;
}

void Block::leave(unsigned mask, bool orders_memory) {
    Warp& warp = warps_[current_ / lanes_of_warp];
    const int first = current_ / lanes_of_warp * lanes_of_warp;
    if (orders_memory) observe(&warp.order[warp.round & 1]);
    warp.round += orders_memory ? 1 : 0;
    warp.waiting &= ~mask;
    const unsigned others = mask & ~(1u << lane());
    for (unsigned rest = others; rest != 0; rest &= rest - 1) states_[first + std::countr_zero(rest)] = State::ready;
    ready_.add_lanes(current_ / lanes_of_warp, others);
}

}  // namespace pn::emu
