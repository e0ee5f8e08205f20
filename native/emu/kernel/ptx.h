// The emulator's half of kernels/include/ptx.cuh.
#pragma once

#include "emu/kernel/kernel.h"
#include "emu/kernel/sanitizer.h"

#include <type_traits>

namespace pn {

namespace emu {

// All lanes of `mask` meet; the last one runs combine(lane's input by index, lane's output by index, mask) for all.
template <class In, class Out, class Combine>
Out collective(unsigned mask, Site site, const In& in, Combine combine, bool orders_memory = false) {
    Out out{};
    if (Meeting* meeting = warp_meet(mask, site, &in, &out, orders_memory)) {
        const IgnoreRaces quiet;
        const auto input = [&](int lane) -> const In& { return *static_cast<const In*>(meeting->in[lane]); };
        const auto output = [&](int lane) -> Out& { return *static_cast<Out*>(meeting->out[lane]); };
        combine(input, output);
        warp_leave(mask, orders_memory);
    }
    return out;
}

template <class T>
T shuffle(unsigned mask, T v, int by, int (*source_of_lane)(int lane, int by), Site site) {
    struct In {
        T v;
        int by;
    };
    return collective<In, T>(mask, site, {v, by}, [&](auto in, auto out) {
        for (int lane = 0; lane < lanes_of_warp; lane++) {
            if ((mask >> lane & 1) == 0) continue;
            const int source = source_of_lane(lane, in(lane).by);
            if ((mask >> source & 1) == 0) kernel_failed("a shuffle reads a lane outside its mask", site);
            out(lane) = in(source).v;
        }
    });
}

inline unsigned ballot(unsigned mask, bool p, Site site) {
    return collective<bool, unsigned>(mask, site, p, [&](auto in, auto out) {
        unsigned votes = 0;
        for (int lane = 0; lane < lanes_of_warp; lane++)
            if ((mask >> lane & 1) != 0 && in(lane)) votes |= 1u << lane;
        for (int lane = 0; lane < lanes_of_warp; lane++)
            if ((mask >> lane & 1) != 0) out(lane) = votes;
    });
}

struct Fragments {
    float* c;
    const unsigned *a, *b;
    float (*widen)(std::uint16_t);
};
void mma_m16n8k16(const Fragments* const* lanes);

// Lane 8 i + j names row j of matrix i; lane l gets, of every matrix, elements
// (l / 4, 2 (l % 4)) and the next one of the row or, transposed, of the column.
void ldmatrix(const void* const* rows, unsigned* const* registers, int matrices, bool transposed);

template <int N>
void ldmatrix(unsigned (&r)[N], const void* row, bool transposed, Site site) {
    struct In {
        const void* row;
        unsigned* r;
    };
    if (lane_of_thread() < 8 * N) touch(row, 16);
    collective<In, char>(0xffffffffu, site, {row, r}, [&](auto in, auto) {
        const void* rows[lanes_of_warp];
        unsigned* registers[lanes_of_warp];
        for (int lane = 0; lane < lanes_of_warp; lane++) rows[lane] = in(lane).row, registers[lane] = in(lane).r;
        ldmatrix(rows, registers, N, transposed);
    });
}

inline float widen_bf16(std::uint16_t bits) { return widen(bf16{bits}); }
inline float widen_fp16(std::uint16_t bits) { return widen(fp16{bits}); }

}  // namespace emu

inline void sync_block(emu::Site site = emu::Site::here()) { emu::block_barrier(false, site); }

inline void sync_warp(unsigned mask = 0xffffffffu, emu::Site site = emu::Site::here()) {
    emu::collective<char, char>(mask, site, '\0', [](auto, auto) {}, true);
}

template <class T>
T shfl(unsigned mask, T v, int lane, emu::Site site = emu::Site::here()) {
    return emu::shuffle(mask, v, lane, [](int, int from) { return from & 31; }, site);
}

template <class T>
T shfl_xor(unsigned mask, T v, int lanes, emu::Site site = emu::Site::here()) {
    return emu::shuffle(mask, v, lanes, [](int lane, int by) { return (lane ^ by) & 31; }, site);
}

template <class T>
T shfl_up(unsigned mask, T v, int lanes, emu::Site site = emu::Site::here()) {
    return emu::shuffle(mask, v, lanes, [](int lane, int by) { return lane >= by ? lane - by : lane; }, site);
}

template <class T>
T shfl_down(unsigned mask, T v, int lanes, emu::Site site = emu::Site::here()) {
    return emu::shuffle(mask, v, lanes, [](int lane, int by) { return lane + by < 32 ? lane + by : lane; }, site);
}

inline unsigned ballot(unsigned mask, bool p, emu::Site site = emu::Site::here()) { return emu::ballot(mask, p, site); }
inline bool any(unsigned mask, bool p, emu::Site site = emu::Site::here()) { return emu::ballot(mask, p, site) != 0; }
inline bool all(unsigned mask, bool p, emu::Site site = emu::Site::here()) {
    return emu::ballot(mask, p, site) == mask;
}

template <class T, class Op>
T warp_reduce(T v, Op op, emu::Site site = emu::Site::here()) {
    return emu::collective<T, T>(0xffffffffu, site, v, [&](auto in, auto out) {
        T values[32], next[32];
        for (int lane = 0; lane < 32; lane++) values[lane] = in(lane);
        for (int by = 16; by > 0; by /= 2) {
            for (int lane = 0; lane < 32; lane++) next[lane] = op(values[lane], values[lane ^ by]);
            for (int lane = 0; lane < 32; lane++) values[lane] = next[lane];
        }
        for (int lane = 0; lane < 32; lane++) out(lane) = values[lane];
    });
}

inline void cp_async_16(void* to_shared, const void* from, int bytes = 16, emu::Site site = emu::Site::here()) {
    emu::copy_request(to_shared, from, bytes, site);
}

inline void cp_async_commit() { emu::copy_commit(); }

template <int N>
void cp_async_wait(emu::Site site = emu::Site::here()) {
    emu::copy_wait(N, site);
}

inline void ldmatrix_x4(unsigned (&r)[4], const void* row, emu::Site site = emu::Site::here()) {
    emu::ldmatrix(r, row, false, site);
}
inline void ldmatrix_x4_trans(unsigned (&r)[4], const void* row, emu::Site site = emu::Site::here()) {
    emu::ldmatrix(r, row, true, site);
}

// Rows are named by lanes 0 to 15; what the other lanes pass is not read.
inline void ldmatrix_x2(unsigned (&r)[2], const void* row, emu::Site site = emu::Site::here()) {
    emu::ldmatrix(r, row, false, site);
}
inline void ldmatrix_x2_trans(unsigned (&r)[2], const void* row, emu::Site site = emu::Site::here()) {
    emu::ldmatrix(r, row, true, site);
}

template <class T>
void mma_m16n8k16(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2], emu::Site site = emu::Site::here()) {
    constexpr auto widen = std::is_same_v<T, bf16> ? emu::widen_bf16 : emu::widen_fp16;
    const emu::Fragments fragments = {c, a, b, widen};
    emu::collective<emu::Fragments, char>(0xffffffffu, site, fragments, [](auto in, auto) {
        const emu::Fragments* lanes[32];
        for (int lane = 0; lane < 32; lane++) lanes[lane] = &in(lane);
        emu::mma_m16n8k16(lanes);
    });
}

}  // namespace pn
