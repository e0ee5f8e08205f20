// The shared memory of the block that runs: NaN at its start,
// marked zones around every array, a guard page at both ends.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace pn::emu {

constexpr std::size_t shared_default = 48 * 1024, shared_most = 99 * 1024;  // bytes a block may have; after opting in

class SharedMemory {
public:
    SharedMemory();
    ~SharedMemory();
    SharedMemory(const SharedMemory&) = delete;
    SharedMemory& operator=(const SharedMemory&) = delete;

    void start(std::size_t dynamic_bytes);
    void* dynamic() const { return dynamic_; }
    void* find(const void* key, std::size_t bytes, const char* name);  // null when there is no room
    bool holds(const void* p, std::size_t bytes) const;
    std::string check() const;  // what was written outside of any array; empty when nothing was

private:
    struct Array {
        const void* key;
        const char* name;
        char* begin;
        std::size_t bytes;
    };

    char* place(const void* key, const char* name, std::size_t bytes);

    char* memory_;
    char* next_ = nullptr;
    char* dynamic_ = nullptr;
    std::vector<Array> arrays_;
};

}  // namespace pn::emu
