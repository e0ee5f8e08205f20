using PeftNative.Formats.Json;
using PeftNative.Formats.Text;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Baselines;
using PeftNative.Peft.Bottleneck;
using PeftNative.Peft.Ia3;
using PeftNative.Peft.Lora;
using PeftNative.Peft.PTuning;
using PeftNative.Peft.PrefixTuning;
using PeftNative.Peft.PromptTuning;

namespace PeftNative.Peft;

/// <summary>The methods. A new one is a folder with its page, and a line here. Thread-safe.</summary>
public static class Methods
{
    /// <summary>All of them: those that add an adapter, then those that train parts of the model.</summary>
    public static IReadOnlyList<Method> All { get; } =
    [
        LoraMethod.Page,
        Ia3Method.Page,
        PrefixTuningMethod.Page,
        PromptTuningMethod.Page,
        PTuningMethod.Page,
        BottleneckMethod.Page,
        FullMethod.Page,
        TopLayersMethod.Page,
        BitFitMethod.Page,
        HeadMethod.Page,
    ];

    /// <summary>The method of a name; see <see cref="Method.Names"/>.</summary>
    /// <exception cref="UsageException">There is none.</exception>
    public static Method Find(string name) => All.FirstOrDefault(m => m.Names.Contains(name))
        ?? throw new UsageException($"There is no method '{Message.Clip(name)}'.",
            remedy: $"There are: {string.Join(", ", All.SelectMany(m => m.Names))}.");

    /// <summary>The method of a parsed adapter_config.json; null where it says none that is known.</summary>
    public static Method? OfFile(StrictObject json) => All.FirstOrDefault(m => m.Recognises(json));
}
