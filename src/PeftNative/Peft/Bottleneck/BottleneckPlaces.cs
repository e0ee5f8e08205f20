using System.Globalization;
using PeftNative.Models;

namespace PeftNative.Peft.Bottleneck;

/// <summary>Where AdapterHub puts the adapters of a family in its module tree, and what it calls the models.</summary>
internal static class BottleneckPlaces
{
    private static readonly Dictionary<string, string> ClassNames = new()
    {
        ["bert"] = "Bert", ["roberta"] = "Roberta", ["distilbert"] = "DistilBert", ["gpt2"] = "GPT2", ["gpt_neox"] = "GPTNeoX", ["opt"] = "OPT",
        ["llama"] = "Llama", ["mistral"] = "Mistral", ["qwen2"] = "Qwen2", ["qwen3"] = "Qwen3", ["phi3"] = "Phi3",
        ["gemma"] = "Gemma", ["gemma2"] = "Gemma2", ["gemma3_text"] = "Gemma3", ["t5"] = "T5",
    };

    /// <summary>Path of the adapter at a sub-block, e.g. bert.encoder.layer.0.output.adapters.NAME.</summary>
    internal static string Path(TransformerModel model, int depth, string name)
    {
        var names = model.Family.Names;
        var layer = string.Format(CultureInfo.InvariantCulture, names.Layer, depth / 2);
        var isAttention = depth % 2 == 0;
        var place = model.Config.ModelType is "bert" or "roberta"
            ? isAttention ? "attention.output" : "output"
            : isAttention ? "attention_adapters" : "output_adapters";
        return $"{names.Backbone}.{layer}.{place}.adapters.{name}";
    }

    /// <summary>The task that a class of transformers is for, as PEFT spells it; null where it does not say.</summary>
    internal static string? TaskType(string? modelClass) => modelClass switch
    {
        null => null,
        _ when modelClass.EndsWith("ForSequenceClassification", StringComparison.Ordinal) => "SEQ_CLS",
        _ when modelClass.EndsWith("ForTokenClassification", StringComparison.Ordinal) => "TOKEN_CLS",
        _ when modelClass.EndsWith("ForCausalLM", StringComparison.Ordinal) || modelClass.EndsWith("LMHeadModel", StringComparison.Ordinal) => "CAUSAL_LM",
        _ => null,
    };

    /// <summary>The class of the model in transformers, e.g. BertForSequenceClassification.</summary>
    internal static string ModelClass(TransformerModel model)
    {
        var family = ClassNames.GetValueOrDefault(model.Config.ModelType, model.Config.ModelType);
        return model.Task switch
        {
            ModelTask.CausalLm => family == "GPT2" ? "GPT2LMHeadModel" : $"{family}ForCausalLM",
            ModelTask.SequenceClassification => $"{family}ForSequenceClassification",
            _ => $"{family}ForTokenClassification",
        };
    }
}
