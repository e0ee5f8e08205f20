using System.Collections;

namespace PeftNative.Data.Encoding;

/// <summary>Some of a list of examples, by their places in it. Immutable.</summary>
internal sealed class ExampleView(IReadOnlyList<Example> all, int[] places) : IReadOnlyList<Example>
{
    public int Count => places.Length;

    public Example this[int index] => all[places[index]];

    public IEnumerator<Example> GetEnumerator() => places.Select(place => all[place]).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
