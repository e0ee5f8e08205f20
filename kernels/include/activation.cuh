// Activation functions and their slopes (PeftNative.Ops.Activation; the numbers are those of the enumeration), and the
// soft cap of scores.
#pragma once

#include "platform.cuh"

namespace pn {

enum class Activation { identity, relu, gelu, gelu_tanh, silu, tanh, sigmoid };

PN_DEVICE float logistic(float x) { return 1 / (1 + expf(-x)); }

// The normal distribution function; from erfc, so that the lower tail does not cancel.
PN_DEVICE float normal_cdf(float x) { return 0.5f * erfcf(-0.70710678f * x); }
PN_DEVICE float normal_density(float x) { return 0.39894228f * expf(-0.5f * x * x); }

constexpr float gelu_cubic = 0.044715f, gelu_factor = 0.79788456f;  // sqrt(2 / pi)

PN_DEVICE float gelu_argument(float x) { return gelu_factor * fmaf(gelu_cubic * x * x, x, x); }

PN_DEVICE float activate(Activation kind, float x) {
    switch (kind) {
        case Activation::relu: return fmaxf(x, 0.0f);
        case Activation::gelu: return x * normal_cdf(x);
        case Activation::gelu_tanh: return 0.5f * x * (1 + tanhf(gelu_argument(x)));
        case Activation::silu: return x * logistic(x);
        case Activation::tanh: return tanhf(x);
        case Activation::sigmoid: return logistic(x);
        default: return x;
    }
}

PN_DEVICE float gelu_tanh_slope(float x) {
    const float t = tanhf(gelu_argument(x));
    return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * gelu_factor * (1 + 3 * gelu_cubic * x * x);
}

PN_DEVICE float activation_slope(Activation kind, float x) {
    switch (kind) {
        case Activation::relu: return x > 0 ? 1.0f : 0.0f;
        case Activation::gelu: return normal_cdf(x) + x * normal_density(x);
        case Activation::gelu_tanh: return gelu_tanh_slope(x);
        case Activation::silu: return logistic(x) * (1 + x * logistic(-x));
        case Activation::tanh: return 1 - tanhf(x) * tanhf(x);
        case Activation::sigmoid: return logistic(x) * logistic(-x);
        default: return 1;
    }
}

// cap * tanh(x / cap), or x where cap is 0.
struct SoftCap {
    float cap;

    PN_DEVICE float operator()(float x) const { return cap > 0 ? cap * tanhf(x / cap) : x; }
    PN_DEVICE float slope(float capped) const { return cap > 0 ? 1 - capped / cap * (capped / cap) : 1.0f; }
};

}  // namespace pn
