#include "emu/run/launch.h"

#include "emu/run/block.h"
#include "emu/run/sanitizers.h"
#include "emu/run/workers.h"

#include <cstring>

namespace pn::emu {

namespace {

Kernel* kernels = nullptr;

constexpr std::size_t alignment = 16;

}  // namespace

void register_kernel(Kernel& kernel) {
    kernel.next = kernels;
    kernels = &kernel;
}

const Kernel* first_kernel() { return kernels; }

const Kernel* find_kernel(const char* name) {
    for (const Kernel* kernel = kernels; kernel != nullptr; kernel = kernel->next)
        if (std::strcmp(kernel->name, name) == 0) return kernel;
    return nullptr;
}

Launch::Launch(const Kernel& kernel, dim3 grid, dim3 block, std::size_t shared_bytes, void* const* arguments)
    : kernel_(&kernel), grid_(grid), block_(block), shared_bytes_(shared_bytes) {
    std::size_t bytes = 0;
    for (int i = 0; i < kernel.parameters; i++) {
        offsets_.push_back(bytes);
        bytes += (kernel.sizes[i] + alignment - 1) / alignment * alignment;
    }
    values_.resize(bytes);
    for (int i = 0; i < kernel.parameters; i++)
        std::memcpy(values_.data() + offsets_[i], arguments[i], kernel.sizes[i]);
}

uint3 Launch::block_index(std::uint64_t i) const {
    const std::uint64_t row = i / grid_.x;
    return {static_cast<unsigned>(i % grid_.x), static_cast<unsigned>(row % grid_.y),
            static_cast<unsigned>(row / grid_.y)};
}

void Launch::call() const {
    constexpr int most = 64;
    void* arguments[most];
    for (int i = 0; i < kernel_->parameters && i < most; i++)
        arguments[i] = const_cast<unsigned char*>(values_.data()) + offsets_[i];
    kernel_->call(arguments);
}

bool run(const Launch& launch, Schedule schedule) {
    const std::uint64_t count = launch.blocks();
    std::atomic<std::uint64_t> next = 0;
    std::atomic<bool> failed = false;
    publish(&failed);
    const auto work = [&] {
        Block& block = Block::of_this_thread();
        observe(&failed);
        for (std::uint64_t i; !failed && (i = next.fetch_add(1)) < count;)
            if (!block.run(launch, block_at(i, count, schedule), schedule)) failed = true;
        publish(&failed);
    };
    constexpr std::uint64_t worth_sharing = 1024;  // threads of the grid; fewer are done before another worker wakes
    if (count > 1 && count * static_cast<std::uint64_t>(launch.threads()) > worth_sharing)
        run_on_workers(work);
    else
        work();
    observe(&failed);
    return !failed;
}

}  // namespace pn::emu
