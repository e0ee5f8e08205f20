#include "emu/run/shared.h"

#include "emu/run/sanitizers.h"

#include <cstring>
#include <new>
#include <sys/mman.h>

namespace pn::emu {

namespace {

constexpr std::size_t page = 4096, capacity = 128 * 1024, zone = 64;
constexpr unsigned char mark = 0xcb;

std::size_t rounded(std::size_t bytes) { return (bytes + 15) / 16 * 16; }

}  // namespace

SharedMemory::SharedMemory() {
    void* memory = mmap(nullptr, capacity + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    memory_ = static_cast<char*>(memory) + page;
    mprotect(memory_, capacity, PROT_READ | PROT_WRITE);
}

SharedMemory::~SharedMemory() { munmap(memory_ - page, capacity + 2 * page); }

void SharedMemory::start(std::size_t dynamic_bytes) {
    unpoison(memory_, capacity);
    arrays_.clear();
    next_ = memory_;
    dynamic_ = place(nullptr, "dynamic shared memory", dynamic_bytes);
}

void* SharedMemory::find(const void* key, std::size_t bytes, const char* name) {
    for (const Array& array : arrays_)
        if (array.key == key) return array.begin;
    std::size_t used = bytes;
    for (const Array& array : arrays_)
        if (array.key != nullptr) used += rounded(array.bytes);
    if (used > shared_default || rounded(bytes) + 2 * zone > static_cast<std::size_t>(memory_ + capacity - next_))
        return nullptr;
    return place(key, name, bytes);
}

// A marked zone before it and, until the next one is placed behind it, one after it.
char* SharedMemory::place(const void* key, const char* name, std::size_t bytes) {
    const QuietWrites quiet;
    if (next_ == memory_) {
        std::memset(next_, mark, zone);
        next_ += zone;
    }
    char* const begin = next_;
    std::memset(begin, 0xff, bytes);
    std::memset(begin + bytes, mark, rounded(bytes) - bytes + zone);
    poison(begin + bytes, rounded(bytes) - bytes + zone);
    next_ += rounded(bytes) + zone;
    arrays_.push_back({key, name, begin, bytes});
    return begin;
}

bool SharedMemory::holds(const void* p, std::size_t bytes) const {
    const char* const begin = static_cast<const char*>(p);
    for (const Array& array : arrays_)
        if (begin >= array.begin && begin + bytes <= array.begin + array.bytes) return true;
    return false;
}

std::string SharedMemory::check() const {
#if !defined(PN_EMU_ASAN)
    for (const Array& array : arrays_) {
        for (const char* p = array.begin + array.bytes; p < array.begin + rounded(array.bytes) + zone; p++)
            if (static_cast<unsigned char>(*p) != mark)
                return "a write " + std::to_string(p - array.begin - static_cast<std::ptrdiff_t>(array.bytes)) +
                       " bytes past the end of " + array.name + " (" + std::to_string(array.bytes) +
                       " bytes of shared memory)";
    }
    for (const char* p = memory_; p < memory_ + zone; p++)
        if (static_cast<unsigned char>(*p) != mark) return "a write before the start of shared memory";
#endif
    return {};
}

}  // namespace pn::emu
