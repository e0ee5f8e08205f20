namespace PeftNative.Data.Records;

/// <summary>A list of millions that grows without being copied. Written by one thread, then read by any.</summary>
internal sealed class Pages<T> where T : unmanaged
{
    private const int Bits = 16, Size = 1 << Bits;

    private readonly List<T[]> pages = [];

    public int Count { get; private set; }

    public T this[int index] => index < Count ? pages[index >> Bits][index & (Size - 1)]
        : throw new ArgumentOutOfRangeException(nameof(index));

    public void Add(T value)
    {
        if (Count == pages.Count << Bits) pages.Add(new T[Size]);
        pages[^1][Count & (Size - 1)] = value;
        Count = checked(Count + 1);
    }
}
