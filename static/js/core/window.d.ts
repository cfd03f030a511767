interface Window {
  /** The answers to the requests of static/js/early.js, by address. */
  earlyAnswers?: Map<string, Promise<Response>>;
}
