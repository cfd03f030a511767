/** An answer of the server, and when it arrived, by the clock of this machine. */
interface Answer {
  response: Response;
  arrivedAt: number;
}

interface Window {
  /** The answers to the requests of static/js/early.js, by address. */
  earlyAnswers?: Map<string, Promise<Answer>>;
}
