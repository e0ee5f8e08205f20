using PeftNative.Data.Encoding;
using PeftNative.Data.Reading;
using PeftNative.Models;
using PeftNative.Peft.Adapters;

namespace PeftNative.Training.Observing;

/// <summary>What would stop a run at some later step: ids and positions outside the model's tables.</summary>
internal static class RunLimits
{
    /// <summary>Looks at the examples: all that are held, some of those that are not.</summary>
    /// <exception cref="DataException">One does not fit the model with its adapter.</exception>
    internal static void Require(Adapter adapter, IEnumerable<Example> examples)
    {
        var (virtuals, prefix) = (adapter.VirtualTokens?.Count ?? 0, adapter.Prefix?.Count ?? 0);
        var model = adapter.Model;
        foreach (var example in examples)
        {
            RequireIds(model, example.Ids, example.Origin);
            if (example.DecoderIds is not { } target)
            {
                RequirePositions(model, example.Length, virtuals + prefix, example.Origin);
                continue;
            }
            RequireIds(model, target, example.Origin);
            RequirePositions(model, example.Length, virtuals, example.Origin);
            RequirePositions(model, target.Length, prefix, example.Origin);
        }
    }

    private static void RequireIds(TransformerModel model, int[] ids, RecordOrigin origin)
    {
        foreach (var id in ids)
            if ((uint)id >= (uint)model.Config.VocabularySize)
                throw new DataException(
                    $"The token id {id} lies outside the model's table of {model.Config.VocabularySize} rows.",
                    origin.ToString(), "The tokenizer and the model do not belong together, or the embedding was not "
                        + "resized for added tokens.");
    }

    private static void RequirePositions(TransformerModel model, int length, int leading, RecordOrigin origin)
    {
        if (model.Embedding.Positions?.Rows is not { } rows) return;
        var room = rows - model.Config.PositionOffset;
        if (length + leading <= room) return;
        var what = leading == 0 ? $"The example has {length} tokens"
            : $"The example has {length} tokens, and with the {leading} virtual tokens in front {length + leading}";
        throw new DataException($"{what}; the model's position table has room for {room}.", origin.ToString(),
            $"Use a max_seq_length of at most {room - leading}.");
    }
}
