// The driver's entry points as a program sees them, and a device for one test.
#pragma once

#include "emu/api/control.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <vector>

extern "C" {
int cuInit(unsigned flags);
int cuDriverGetVersion(int* version);
int cuDeviceGetCount(int* count);
int cuDeviceGet(int* device, int ordinal);
int cuDeviceGetName(char* name, int bytes, int device);
int cuDeviceGetAttribute(int* value, int attribute, int device);
int cuDeviceTotalMem_v2(std::size_t* bytes, int device);
int cuDevicePrimaryCtxRetain(void** context, int device);
int cuDevicePrimaryCtxRelease_v2(int device);
int cuCtxSetCurrent(void* context);
int cuCtxSynchronize();
int cuMemAlloc_v2(unsigned long long* p, std::size_t bytes);
int cuMemFree_v2(unsigned long long p);
int cuMemGetInfo_v2(std::size_t* available, std::size_t* total);
int cuMemAllocHost_v2(void** p, std::size_t bytes);
int cuMemFreeHost(void* p);
int cuMemcpyHtoD_v2(unsigned long long to, const void* from, std::size_t bytes);
int cuMemcpyDtoH_v2(void* to, unsigned long long from, std::size_t bytes);
int cuMemcpyHtoDAsync_v2(unsigned long long to, const void* from, std::size_t bytes, void* stream);
int cuMemcpyDtoHAsync_v2(void* to, unsigned long long from, std::size_t bytes, void* stream);
int cuMemsetD32Async(unsigned long long to, unsigned value, std::size_t count, void* stream);
int cuModuleLoadData(void** module, const void* image);
int cuModuleUnload(void* module);
int cuModuleGetFunction(void** function, void* module, const char* name);
int cuFuncSetAttribute(void* function, int attribute, int value);
int cuLaunchKernel(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                   unsigned block_y, unsigned block_z, unsigned shared_bytes, void* stream, void** parameters,
                   void** extra);
int cuStreamCreate(void** stream, unsigned flags);
int cuStreamDestroy_v2(void* stream);
int cuStreamSynchronize(void* stream);
int cuStreamWaitEvent(void* stream, void* event, unsigned flags);
int cuStreamBeginCapture_v2(void* stream, int mode);
int cuStreamEndCapture(void* stream, void** graph);
int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long flags);
int cuGraphExecUpdate_v2(void* executable, void* graph, void* result);
int cuGraphLaunch(void* executable, void* stream);
int cuGraphDestroy(void* graph);
int cuGraphExecDestroy(void* executable);
int cuEventCreate(void** event, unsigned flags);
int cuEventDestroy_v2(void* event);
int cuEventRecord(void* event, void* stream);
int cuEventSynchronize(void* event);
int cuGetErrorName(int code, const char** name);
}

namespace pn::emu::tests {

constexpr const char* all_schedules[] = {"forward", "reverse", "random", "skewed"};
constexpr int non_blocking = 1;

inline std::string last_report() {
    std::string text(pncuda_emu_report(nullptr, 0), ' ');
    pncuda_emu_report(text.data(), text.size() + 1);
    return text;
}

// Device memory of one test.
template <class T>
class Buffer {
public:
    explicit Buffer(std::size_t count) : count_(count) {
        EXPECT_EQ(cuMemAlloc_v2(&pointer_, count * sizeof(T)), 0) << last_report();
    }
    explicit Buffer(const std::vector<T>& values) : Buffer(values.size()) {
        EXPECT_EQ(cuMemcpyHtoD_v2(pointer_, values.data(), count_ * sizeof(T)), 0) << last_report();
    }
    ~Buffer() { cuMemFree_v2(pointer_); }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;

    T* get() const { return reinterpret_cast<T*>(pointer_); }
    unsigned long long pointer() const { return pointer_; }
    std::vector<T> values() const {
        std::vector<T> out(count_);
        EXPECT_EQ(cuMemcpyDtoH_v2(out.data(), pointer_, count_ * sizeof(T)), 0) << last_report();
        return out;
    }

private:
    unsigned long long pointer_ = 0;
    std::size_t count_;
};

// A context with the test kernels loaded; checks that the test gives back all it took.
class DeviceTest : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_EQ(cuInit(0), 0);
        ASSERT_EQ(cuDevicePrimaryCtxRetain(&context_, 0), 0);
        ASSERT_EQ(cuCtxSetCurrent(context_), 0);
        ASSERT_EQ(cuModuleLoadData(&module_, "probes"), 0) << last_report();
        pncuda_emu_clear_report();
    }

    void TearDown() override {
        pncuda_emu_fail(0, nullptr, 0);
        pncuda_emu_set_schedule("forward", 1);
        EXPECT_EQ(cuDevicePrimaryCtxRelease_v2(0), 0);
        EXPECT_EQ(pncuda_emu_live("memory"), 0u);
    }

    void* function(const char* name) {
        void* f = nullptr;
        EXPECT_EQ(cuModuleGetFunction(&f, module_, name), 0) << last_report();
        return f;
    }

    // Starts a kernel on the default stream and waits for it.
    template <class... A>
    int launch(const char* name, unsigned blocks, unsigned threads, A... arguments) {
        void* parameters[] = {&arguments..., nullptr};
        return cuLaunchKernel(function(name), blocks, 1, 1, threads, 1, 1, 0, nullptr, parameters, nullptr);
    }

    void* context_ = nullptr;
    void* module_ = nullptr;
};

}  // namespace pn::emu::tests
