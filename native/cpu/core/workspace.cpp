#include "core/workspace.h"

#include <cstdlib>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(_WIN32)
#include <malloc.h>
#endif

namespace pn {

namespace {
constexpr std::size_t line = 64;
constexpr std::size_t smallest_block = std::size_t{1} << 20;
constexpr std::size_t huge_page = std::size_t{2} << 20;

constexpr std::size_t round_up(std::size_t value, std::size_t unit) { return (value + unit - 1) / unit * unit; }
}  // namespace

void* allocate_aligned(std::size_t bytes) {
    const bool big = bytes >= 4 * huge_page;
    const std::size_t alignment = big ? huge_page : line;
    const std::size_t size = round_up(bytes == 0 ? 1 : bytes, alignment);
    if (size < bytes) throw std::bad_alloc();
#if defined(_WIN32)
    void* memory = _aligned_malloc(size, alignment);
#else
    void* memory = std::aligned_alloc(alignment, size);
#endif
    if (memory == nullptr) throw std::bad_alloc();
#if defined(__linux__)
    if (big) madvise(memory, size, MADV_HUGEPAGE);
#endif
    return memory;
}

void free_aligned(void* memory) noexcept {
#if defined(_WIN32)
    _aligned_free(memory);
#else
    std::free(memory);
#endif
}

Workspace::~Workspace() { release_blocks(); }

void Workspace::release_blocks() noexcept {
    while (count_ > 0) free_aligned(blocks_[--count_]);
}

float* Workspace::floats(std::ptrdiff_t count) {
    return static_cast<float*>(bytes(sizeof(float) * static_cast<std::size_t>(count)));
}

double* Workspace::doubles(std::ptrdiff_t count) {
    return static_cast<double*>(bytes(sizeof(double) * static_cast<std::size_t>(count)));
}

int* Workspace::ints(std::ptrdiff_t count) {
    return static_cast<int*>(bytes(sizeof(int) * static_cast<std::size_t>(count)));
}

void* Workspace::bytes(std::size_t count) {
    const std::size_t size = round_up(count == 0 ? 1 : count, line);
    if (count_ == 0 || used_ + size > sizes_[count_ - 1]) {
        if (count_ == most_blocks) throw std::bad_alloc();
        const std::size_t block = size > smallest_block ? size : smallest_block;
        blocks_[count_] = allocate_aligned(block);
        sizes_[count_++] = block;
        used_ = 0;
    }
    void* memory = static_cast<char*>(blocks_[count_ - 1]) + used_;
    used_ += size;
    total_ += size;
    return memory;
}

void Workspace::reset() {
    if (count_ > 1) {
        release_blocks();
        blocks_[0] = allocate_aligned(total_);
        sizes_[0] = total_;
        count_ = 1;
    }
    used_ = total_ = 0;
}

}  // namespace pn
