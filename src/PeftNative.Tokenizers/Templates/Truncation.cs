using PeftNative.Tokenizers.Encodings;

namespace PeftNative.Tokenizers.Templates;

/// <summary>How many tokens of each text stay.</summary>
internal static class Truncation
{
    /// <summary>Computes the lengths that remain, by the rules of the tokenizers library.</summary>
    /// <param name="first">Tokens of the first text.</param>
    /// <param name="second">Tokens of the second; null where there is none.</param>
    /// <param name="room">The number that may remain, special tokens not counted.</param>
    /// <param name="strategy">Which text gives way.</param>
    /// <exception cref="UsageException">The text that is to give way is too short for that.</exception>
    public static (int First, int Second) Lengths(int first, int? second, int room, TruncationStrategy strategy)
    {
        var total = first + (second ?? 0);
        if (total <= room) return (first, second ?? 0);
        if (room == 0) return (0, 0);
        if (strategy == TruncationStrategy.LongestFirst)
        {
            return second is { } other ? LongestFirst(first, other, room) : (room, 0);
        }
        var onlyFirst = strategy == TruncationStrategy.OnlyFirst;
        if (!onlyFirst && second is null) throw new UsageException("There is no second text to shorten.");
        var kept = (onlyFirst ? first : second!.Value) - (total - room);
        if (kept <= 0)
        {
            throw new UsageException(
                "The text to shorten is too short: the other one alone exceeds the limit.", "truncation",
                    "Use longest_first or a larger limit.");
        }
        return onlyFirst ? (kept, second ?? 0) : (first, kept);
    }

    private static (int First, int Second) LongestFirst(int first, int second, int room)
    {
        var swapped = first > second;
        var (shorter, longer) = swapped ? (second, first) : (first, second);
        longer = shorter > room ? shorter : Math.Max(shorter, room - shorter);
        if (shorter + longer > room)
        {
            shorter = room / 2;
            longer = shorter + (room % 2);
        }
        return swapped ? (longer, shorter) : (shorter, longer);
    }
}
