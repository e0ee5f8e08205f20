// Scratch memory of one operation: blocks cut from the end, all given back when the next operation begins. After the
// first rounds one block serves everything and nothing is allocated any more.
#pragma once

#include <cstddef>

namespace pn {

void* allocate_aligned(std::size_t bytes);  // throws std::bad_alloc; big blocks ask for huge pages
void free_aligned(void* memory) noexcept;

class Workspace {
public:
    ~Workspace();
    void* bytes(std::size_t count);
    float* floats(std::ptrdiff_t count);
    double* doubles(std::ptrdiff_t count);
    int* ints(std::ptrdiff_t count);
    void reset();

private:
    static constexpr int most_blocks = 64;
    void release_blocks() noexcept;

    void* blocks_[most_blocks] = {};
    std::size_t sizes_[most_blocks] = {};
    int count_ = 0;
    std::size_t used_ = 0;   // of the last block
    std::size_t total_ = 0;  // handed out since the last reset
};

}  // namespace pn
