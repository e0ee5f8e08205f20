using PeftNative.Formats;
using PeftNative.Peft.Ia3;
using PeftNative.Peft.Lora;
using PeftNative.Peft.PrefixTuning;
using PeftNative.Peft.PromptTuning;
using PeftNative.Peft.PTuning;

namespace PeftNative.Peft;

/// <summary>
/// The methods whose settings say peft_type, by that word. A new method is one line here and one folder.
/// </summary>
internal static class MethodTable
{
    /// <summary>Bottleneck adapters, whose settings are AdapterHub's and have no peft_type.</summary>
    internal const string Bottleneck = "BOTTLENECK";

    internal static readonly Dictionary<string, Func<StrictObject, AdapterConfig>> Readers = new()
    {
        ["LORA"] = LoraConfig.FromJson,
        ["IA3"] = Ia3Config.FromJson,
        ["PREFIX_TUNING"] = PrefixTuningConfig.FromJson,
        ["PROMPT_TUNING"] = PromptTuningConfig.FromJson,
        ["P_TUNING"] = PTuningConfig.FromJson,
        ["FULL"] = json => new FullConfig { BaseModel = json.GetOptionalString("base_model_name_or_path") },
        ["BITFIT"] = json => new BitFitConfig { BaseModel = json.GetOptionalString("base_model_name_or_path") },
        ["TOP_LAYERS"] = json => new TopLayersConfig
        {
            BaseModel = json.GetOptionalString("base_model_name_or_path"), LayerCount = json.GetInt("num_layers", 1),
        },
        ["HEAD"] = json => new HeadConfig { BaseModel = json.GetOptionalString("base_model_name_or_path") },
    };
}
