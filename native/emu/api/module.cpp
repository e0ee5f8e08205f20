// Modules and functions. An image is the stem of a kernel file as text: the kernels themselves are in this library.
#include "emu/api/state.h"
#include "emu/run/shared.h"

#include <cstring>

using namespace pn::emu;

namespace {

std::string stem_of(const char* file) {
    const std::string path = file;
    const std::size_t begin = path.find_last_of('/') + 1;
    return path.substr(begin, path.find_last_of('.') - begin);
}

bool is_stem(const std::string& name) {
    for (const Kernel* kernel = first_kernel(); kernel != nullptr; kernel = kernel->next)
        if (stem_of(kernel->file) == name) return true;
    return false;
}

void load(Module** module, const void* image) {
    require(module != nullptr && image != nullptr, "no place for the module, or no image");
    const auto* const text = static_cast<const char*>(image);
    const std::string name(text, strnlen(text, 256));
    if (!is_stem(name))
        throw Failure{invalid_image, "the image names no file of kernels: '" + name.substr(0, 40) + "'"};
    *module = state().modules.add(Module{name});
}

constexpr int attribute_threads = 0, attribute_dynamic_shared = 8, attribute_carveout = 9;

}  // namespace

PN_API int cuModuleLoadData(Module** module, const void* image) {
    return driver_call("cuModuleLoadData", [&] {
        refuse_during_capture("loading a module");
        load(module, image);
    });
}

PN_API int cuModuleUnload(Module* module) {
    return driver_call("cuModuleUnload", [&] {
        state().modules.remove(module);
        state().functions.remove_if([&](const Function& function) { return function.module == module; });
    });
}

PN_API int cuModuleGetFunction(Function** function, Module* module, const char* name) {
    return driver_call("cuModuleGetFunction", [&] {
        require(function != nullptr && name != nullptr, "no place for the function, or no name");
        Module& known = state().modules.get(module);
        const Kernel* const kernel = find_kernel(name);
        if (kernel == nullptr || stem_of(kernel->file) != known.stem)
            throw Failure{not_found, std::string("no kernel '") + name + "' in " + known.stem + ".cu"};
        *function = state().functions.add(Function{kernel, &known, shared_default});
    });
}

PN_API int cuModuleGetGlobal_v2(Pointer* p, std::size_t* bytes, Module* module, const char* name) {
    return driver_call("cuModuleGetGlobal_v2", [&] {
        require(name != nullptr && (p != nullptr || bytes != nullptr), "no name, or no place for the answer");
        state().modules.get(module);
        throw Failure{not_found, std::string("kernels have no global variables here, and so none named ") + name};
    });
}

PN_API int cuFuncGetAttribute(int* value, int attribute, Function* function) {
    return driver_call("cuFuncGetAttribute", [&] {
        require(value != nullptr, "no place for the value");
        const Function& known = state().functions.get(function);
        if (attribute == attribute_threads)
            *value = known.kernel->max_threads;
        else if (attribute == attribute_dynamic_shared)
            *value = static_cast<int>(known.dynamic_limit);
        else
            throw Failure{invalid_value,
                          "the emulator does not know attribute " + std::to_string(attribute) + " of a function"};
    });
}

PN_API int cuFuncSetAttribute(Function* function, int attribute, int value) {
    return driver_call("cuFuncSetAttribute", [&] {
        Function& known = state().functions.get(function);
        if (attribute == attribute_carveout) return;
        require(attribute == attribute_dynamic_shared, "only dynamic shared memory and the carve-out can be set");
        require(value >= 0 && value <= static_cast<int>(shared_most), "more shared memory than a block can have");
        known.dynamic_limit = static_cast<std::size_t>(value);
    });
}

PN_API int cuLaunchKernel(Function* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                          unsigned block_y, unsigned block_z, unsigned shared_bytes, Stream* stream, void** parameters,
                          void** extra) {
    return driver_call("cuLaunchKernel", [&] {
        const Function& known = state().functions.get(function);
        const Kernel& kernel = *known.kernel;
        Stream* const on = stream == nullptr ? nullptr : &state().streams.get(stream);
        const auto refuse = [&](Code code, const char* text) {
            throw Failure{code, std::string(kernel.name) + ": " + text};
        };
        if (extra != nullptr) refuse(invalid_value, "arguments are taken as an array of pointers only");
        if (kernel.parameters > 0 && parameters == nullptr) refuse(invalid_value, "no arguments");
        for (int i = 0; i < kernel.parameters; i++)
            if (parameters[i] == nullptr) refuse(invalid_value, "a null pointer to an argument");
        if (grid_x == 0 || grid_y == 0 || grid_z == 0 || grid_x > 0x7fffffffu || grid_y > 65535 || grid_z > 65535)
            refuse(invalid_value, "a grid without blocks, or with too many");
        if (block_x == 0 || block_y == 0 || block_z == 0 || block_x > 1024 || block_y > 1024 || block_z > 64)
            refuse(invalid_value, "a block without threads, or with too many along one side");
        const auto threads = static_cast<unsigned long long>(block_x) * block_y * block_z;
        if (threads > 1024) refuse(invalid_value, "more than 1024 threads in a block");
        if (threads > static_cast<unsigned long long>(kernel.max_threads))
            refuse(launch_out_of_resources, "more threads than its launch bounds");
        if (threads % 32 != 0)
            refuse(invalid_value, "a block whose size is no multiple of 32 (all kernels here ask for that)");
        if (shared_bytes > known.dynamic_limit)
            refuse(invalid_value, "more dynamic shared memory than was asked for with cuFuncSetAttribute");
        state().launches++;
        Launch launch(kernel, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared_bytes, parameters);
        enqueue(on, {kernel.name, [launch = std::move(launch)] {
            if (!run(launch, state().schedule)) throw Failure{illegal_address, {}};
        }, {}, {}});
    });
}
