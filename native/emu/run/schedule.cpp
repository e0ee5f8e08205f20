#include "emu/run/schedule.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace pn::emu {

namespace {

std::uint64_t mix(std::uint64_t x) {  // splitmix64
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

// The n-th set bit of a mask.
int nth_bit(unsigned mask, int n) {
    for (; n > 0; n--) mask &= mask - 1;
    return std::countr_zero(mask);
}

unsigned from_bit(int bit) { return bit > 31 ? 0 : ~0u << bit; }

}  // namespace

void Ready::start(int threads, Schedule schedule, std::uint64_t block) {
    order_ = schedule.order;
    state_ = mix(schedule.seed ^ mix(block));
    last_ = order_ == Order::reverse ? 0 : threads - 1;
    warps_ = 0;
    for (int warp = 0; warp * 32 < threads; warp++) {
        const int rest = threads - warp * 32;
        add_lanes(warp, rest >= 32 ? ~0u : (1u << rest) - 1);
    }
}

void Ready::add(int thread) { add_lanes(thread / 32, 1u << thread % 32); }

void Ready::add_lanes(int warp, unsigned lanes) {
    lanes_[warp] = (warps_ >> warp & 1) != 0 ? lanes_[warp] | lanes : lanes;
    if (lanes != 0) warps_ |= 1u << warp;
}

int Ready::take() {
    if (warps_ == 0) return -1;
    switch (order_) {
        case Order::forward: return take(after(last_));
        case Order::reverse: return take(before(last_));
        case Order::skewed: {
            const int warp = 31 - std::countl_zero(warps_);
            return take(warp * 32 + std::countr_zero(lanes_[warp]));
        }
        case Order::random: break;
    }
    const int warp = nth_bit(warps_, static_cast<int>(random() % static_cast<unsigned>(std::popcount(warps_))));
    const unsigned lanes = lanes_[warp];
    return take(warp * 32 + nth_bit(lanes, static_cast<int>(random() % static_cast<unsigned>(std::popcount(lanes)))));
}

int Ready::take(int thread) {
    const int warp = thread / 32;
    lanes_[warp] &= ~(1u << thread % 32);
    if (lanes_[warp] == 0) warps_ &= ~(1u << warp);
    return last_ = thread;
}

int Ready::after(int position) const {
    const int warp = position / 32;
    if ((warps_ >> warp & 1) != 0)
        if (const unsigned lanes = lanes_[warp] & from_bit(position % 32 + 1))
            return warp * 32 + std::countr_zero(lanes);
    const unsigned later = warps_ & from_bit(warp + 1);
    const int next = std::countr_zero(later != 0 ? later : warps_);
    return next * 32 + std::countr_zero(lanes_[next]);
}

int Ready::before(int position) const {
    const int warp = position / 32;
    if ((warps_ >> warp & 1) != 0)
        if (const unsigned lanes = lanes_[warp] & ~from_bit(position % 32))
            return warp * 32 + 31 - std::countl_zero(lanes);
    const unsigned earlier = warps_ & ~from_bit(warp);
    const int next = 31 - std::countl_zero(earlier != 0 ? earlier : warps_);
    return next * 32 + 31 - std::countl_zero(lanes_[next]);
}

unsigned Ready::random() {
    state_ = mix(state_);
    return static_cast<unsigned>(state_ >> 32);
}

std::uint64_t block_at(std::uint64_t i, std::uint64_t count, Schedule schedule) {
    if (schedule.order == Order::forward) return i;
    if (schedule.order != Order::random) return count - 1 - i;
    // the products below stay small
    std::uint64_t step = mix(schedule.seed) % std::min(count, std::uint64_t{1} << 20) + 1;
    while (std::gcd(step, count) != 1) step++;
    return (i * step + mix(~schedule.seed) % count) % count;
}

}  // namespace pn::emu
