using PeftNative.Data;
using PeftNative.Data.Encoding;
using PeftNative.Models;
using PeftNative.Peft.Adapters;

namespace PeftNative.Training.Observing;

/// <summary>What a run is made of, as far as observations look at it. Immutable.</summary>
/// <param name="Adapter">The adapter, on its model.</param>
/// <param name="Train">The examples to train on.</param>
/// <param name="Eval">The examples to evaluate on; null without any.</param>
/// <param name="Tokenizer">The tokenizer; null where the tokens were made otherwise.</param>
public sealed record RunFacts(Adapter Adapter, EncodedData Train, EncodedData? Eval, ITokenizer? Tokenizer)
{
    /// <summary>The model.</summary>
    public TransformerModel Model => Adapter.Model;
}
