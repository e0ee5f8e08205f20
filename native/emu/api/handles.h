// Live objects by their handle: a handle that was never given out, or no longer, is found out.
#pragma once

#include "emu/api/call.h"

#include <memory>
#include <unordered_map>
#include <utility>

namespace pn::emu {

template <class T>
class Handles {
public:
    template <class... A>
    T* add(A&&... arguments) {
        auto object = std::make_unique<T>(std::forward<A>(arguments)...);
        T* const handle = object.get();
        objects_.emplace(handle, std::move(object));
        return handle;
    }

    bool has(T* handle) const { return objects_.count(handle) != 0; }

    T& get(T* handle) const {
        if (!has(handle)) throw Failure{invalid_handle, std::string("no such ") + T::word + ", or destroyed before"};
        return *handle;
    }

    void remove(T* handle) {
        get(handle);
        objects_.erase(objects_.find(handle));
    }

    template <class Predicate>
    void remove_if(Predicate predicate) {
        std::erase_if(objects_, [&](const auto& entry) { return predicate(*entry.second); });
    }

    template <class F>
    void for_each(F f) const {
        for (const auto& entry : objects_) f(*entry.second);
    }

    std::size_t count() const { return objects_.size(); }
    void clear() { objects_.clear(); }

private:
    std::unordered_map<T*, std::unique_ptr<T>> objects_;
};

}  // namespace pn::emu
