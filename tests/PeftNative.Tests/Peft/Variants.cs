using PeftNative.Peft.Adapters;
using PeftNative.Peft.Baselines;
using PeftNative.Peft.Bottleneck;
using PeftNative.Peft.Ia3;
using PeftNative.Peft.Lora;
using PeftNative.Peft.PTuning;
using PeftNative.Peft.PrefixTuning;
using PeftNative.Peft.PromptTuning;

namespace PeftNative.Tests.Peft;

/// <summary>Every method with settings under which nothing starts as the identity, by a short name.</summary>
internal static class Variants
{
    internal static readonly Dictionary<string, AdapterConfig> All = new()
    {
        ["lora"] = new LoraConfig { R = 3, Initialization = LoraInitialization.Random },
        ["dora"] = new LoraConfig { R = 2, UseDora = true, Initialization = LoraInitialization.Random },
        ["ia3"] = new Ia3Config { StartsAtOne = false },
        ["prompt"] = new PromptTuningConfig { VirtualTokenCount = 3 },
        ["ptuning-mlp"] = new PTuningConfig { VirtualTokenCount = 3, EncoderHiddenSize = 7 },
        ["ptuning-lstm"] = new PTuningConfig { VirtualTokenCount = 3, Encoder = PromptEncoderKind.Lstm,
            EncoderHiddenSize = 5, EncoderLayers = 3 },
        ["prefix"] = new PrefixTuningConfig { VirtualTokenCount = 3 },
        ["prefix-mlp"] = new PrefixTuningConfig { VirtualTokenCount = 2, UsesProjection = true, EncoderHiddenSize = 7 },
        ["houlsby"] = BottleneckConfig.Houlsby with { ReductionFactor = 5 },
        ["pfeiffer"] = BottleneckConfig.Pfeiffer with { ReductionFactor = 3, NonLinearity = "gelu", Scaling = 0.7 },
        ["parallel"] = BottleneckConfig.Parallel with { Initialization = BottleneckInitialization.Bert,
            ScalingKind = BottleneckScaling.Learned },
        ["bitfit"] = new BitFitConfig(),
        ["top-layers"] = new TopLayersConfig(),
    };
}
