namespace PeftNative.Cli.Output;

/// <summary>
/// One line on the error stream that is written over as work goes on; nothing where the stream is no screen.
/// </summary>
internal sealed class ProgressLine(Terminal terminal) : IProgress<WorkProgress>, IDisposable
{
    private const int LeastMilliseconds = 80;

    private long shownAt;
    private bool isShown;

    /// <summary>Shows a text, unless the last one is only just there.</summary>
    public void Show(string text)
    {
        if (!terminal.IsLive || terminal.Quiet || terminal.Json
            || (isShown && Environment.TickCount64 - shownAt < LeastMilliseconds)) return;
        (isShown, shownAt) = (true, Environment.TickCount64);
        terminal.Error.Write("\r\e[K" + Clip(text));
        terminal.Error.Flush();
    }

    /// <summary>Shows how far work has come.</summary>
    public void Report(WorkProgress value) => Show(value.Total is { } total && total > 0
        ? $"{value.Stage}: {100 * value.Done / total} %" : $"{value.Stage}: {Quantity.Count(value.Done)}");

    /// <summary>Takes the line away.</summary>
    public void Clear()
    {
        if (!isShown) return;
        isShown = false;
        terminal.Error.Write("\r\e[K");
        terminal.Error.Flush();
    }

    /// <inheritdoc/>
    public void Dispose() => Clear();

    // A longer text would wrap, and only its last row could be written over.
    private static string Clip(string text)
    {
        var width = Width();
        return text.Length < width ? text : text[..(width - 1)];
    }

    private static int Width()
    {
        try
        {
            return Console.WindowWidth > 20 ? Console.WindowWidth : 80;
        }
        catch (IOException)
        {
            return 80; // no screen after all
        }
    }
}
