namespace PeftNative.Models.Steps;

/// <summary>
/// Rows that an adapter has for tokens of its choice, in place of those of the table. Used by one thread at a time.
/// </summary>
public interface ITokenRows
{
    /// <summary>Their number; they stand behind the virtual tokens.</summary>
    int OwnRows => 0;

    /// <summary>The row for a token, from 0; -1 where that is read from the table.</summary>
    int OwnRow(int token) => -1;
}
