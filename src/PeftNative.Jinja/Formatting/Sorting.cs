namespace PeftNative.Jinja.Formatting;

/// <summary>A stable sort by "is less", as Python's; errors of the comparison come out as they are.</summary>
internal static class Sorting
{
    /// <summary>
    /// Sorts; with <paramref name="reverse"/> from large to small, equal items still in their first order.
    /// </summary>
    public static List<T> Sort<T>(List<T> items, Func<T, T, bool> isLess, bool reverse = false)
    {
        var source = items.ToArray();
        var target = new T[source.Length];
        for (var width = 1; width < source.Length; width *= 2)
        {
            for (var start = 0; start < source.Length; start += 2 * width)
            {
                var middle = Math.Min(start + width, source.Length);
                Merge(source, target, start, middle, Math.Min(middle + width, source.Length));
            }

            (source, target) = (target, source);
        }

        return [.. source];

        void Merge(T[] from, T[] to, int start, int middle, int end)
        {
            var (left, right) = (start, middle);
            for (var at = start; at < end; at++)
            {
                var takesLeft = left < middle && (right >= end || !Precedes(from[right], from[left]));
                to[at] = takesLeft ? from[left++] : from[right++];
            }
        }

        bool Precedes(T a, T b) => reverse ? isLess(b, a) : isLess(a, b);
    }
}
