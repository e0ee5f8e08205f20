// The kernels of the program: every PN_KERNEL registers its name, the sizes of its parameters and how to call it.
#pragma once

#include <cstddef>
#include <utility>

namespace pn::emu {

struct Kernel {
    const char* name;
    const char* file;          // the .cu it stands in
    int max_threads;           // launch bounds
    int parameters;
    const std::size_t* sizes;  // of the parameters, in bytes
    void (*call)(void* const* arguments);
    Kernel* next;              // of the list that registration makes
};

void register_kernel(Kernel& kernel);

template <auto function>
struct Registration;

template <class... P, void (*function)(P...)>
struct Registration<function> {
    static constexpr std::size_t sizes[sizeof...(P) + 1] = {sizeof(P)..., 0};

    static void call(void* const* arguments) { unpack(arguments, std::index_sequence_for<P...>()); }

    template <std::size_t... I>
    static void unpack([[maybe_unused]] void* const* arguments, std::index_sequence<I...>) {
        function(*static_cast<P*>(arguments[I])...);
    }

    Kernel kernel;

    Registration(const char* name, const char* file, int max_threads)
        : kernel{name, file, max_threads, static_cast<int>(sizeof...(P)), sizes, call, nullptr} {
        register_kernel(kernel);
    }
};

}  // namespace pn::emu
