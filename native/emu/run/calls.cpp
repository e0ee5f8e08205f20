// What kernels call, on the block that runs on this thread of the system.
#include "emu/kernel/thread.h"
#include "emu/run/block.h"

#include <atomic>

namespace pn::emu {

int block_barrier(bool predicate, Site site) { return Block::running()->barrier(predicate, site); }

void* static_shared(const void* key, std::size_t bytes, const char* name) {
    return Block::running()->shared_array(key, bytes, name);
}

void* dynamic_shared() { return Block::running()->dynamic_shared(); }

Meeting* warp_meet(unsigned mask, Site site, const void* in, void* out, bool orders_memory) {
    return Block::running()->meet(mask, site, in, out, orders_memory);
}

void warp_leave(unsigned mask, bool orders_memory) { Block::running()->leave(mask, orders_memory); }

int lane_of_thread() { return Block::running()->lane(); }

void copy_request(void* to_shared, const void* from, int bytes, Site site) {
    Block::running()->request_copy(to_shared, from, bytes, site);
}

void copy_commit() { Block::running()->commit_copies(); }
void copy_wait(int pending, Site) { Block::running()->wait_for_copies(pending); }
void kernel_failed(const char* what, Site site) { Block::running()->fail(what, site); }
void thread_fence() { std::atomic_thread_fence(std::memory_order_seq_cst); }

void* Block::shared_array(const void* key, std::size_t bytes, const char* name) {
    void* const array = shared_.find(key, bytes, name);
    if (array == nullptr) fail(std::string("no room in shared memory for ") + name, {});
    return array;
}

void Block::request_copy(void* to, const void* from, int bytes, Site site) {
    const auto misaligned = [](const void* p) { return reinterpret_cast<std::uintptr_t>(p) % 16 != 0; };
    if (misaligned(to) || (bytes > 0 && misaligned(from)))
        fail("cp.async of 16 bytes with an address that is no multiple of 16", site);
    if (bytes < 0 || bytes > 16) fail("cp.async of " + std::to_string(bytes) + " bytes", site);
    if (!shared_.holds(to, 16)) fail("cp.async to something that is not shared memory of this block", site);
    thread().copies.request(to, from, bytes);
}

}  // namespace pn::emu
