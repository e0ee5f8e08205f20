// Atomic operations on global and shared memory, relaxed as on the device; __threadfence orders around them.
#pragma once

#include <atomic>

template <class T>
T atomicAdd(T* p, T v) {
    std::atomic_ref<T> cell(*p);
    T old = cell.load(std::memory_order_relaxed);
    while (!cell.compare_exchange_weak(old, static_cast<T>(old + v), std::memory_order_relaxed)) {}
    return old;
}

template <class T>
T atomicMax(T* p, T v) {
    std::atomic_ref<T> cell(*p);
    T old = cell.load(std::memory_order_relaxed);
    while (old < v && !cell.compare_exchange_weak(old, v, std::memory_order_relaxed)) {}
    return old;
}

template <class T>
T atomicExch(T* p, T v) {
    return std::atomic_ref<T>(*p).exchange(v, std::memory_order_relaxed);
}

template <class T>
T atomicCAS(T* p, T expected, T v) {
    std::atomic_ref<T>(*p).compare_exchange_strong(expected, v, std::memory_order_relaxed);
    return expected;
}

template <class T>
T atomicOr(T* p, T v) {
    return std::atomic_ref<T>(*p).fetch_or(v, std::memory_order_relaxed);
}

// Counts up to `limit` and starts again at 0.
inline unsigned atomicInc(unsigned* p, unsigned limit) {
    std::atomic_ref<unsigned> cell(*p);
    unsigned old = cell.load(std::memory_order_relaxed);
    while (!cell.compare_exchange_weak(old, old >= limit ? 0 : old + 1, std::memory_order_relaxed)) {}
    return old;
}

namespace pn::emu {
void thread_fence();
}

inline void __threadfence() { pn::emu::thread_fence(); }
inline void __threadfence_block() { pn::emu::thread_fence(); }
